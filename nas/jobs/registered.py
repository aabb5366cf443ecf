"""The target that a config means: its own keys, or a registered one that it names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nas.config import SearchConfig, TargetSection
from nas.config.models import mask_password
from nas.errors import ConfigError
from nas.evaluation import Target
from nas.study.ledger_errors import translated
from nas.targets.registry import LOCAL, find_target
from storage import Ledger


def target_of_config(config: SearchConfig) -> Target | None:
    """The target of a config; a name that is registered in its database stands for what is registered.

    Keys beside such a name may repeat what is registered; those left at their defaults are not looked at.

    Raises:
        ConfigError: a key says otherwise than the registered target, or only a name is given and nothing of
            that name is registered.
        StorageError: the database cannot be read.
    """
    section = config.target
    if section is None:
        return None
    given = section.model_dump()
    changed = _changed(section, given)
    registered = _registered(section.name, config.storage.url)
    if registered is None:
        if section.name != LOCAL and not changed:
            url = mask_password(config.storage.url)
            raise ConfigError(
                f"target {section.name!r} is not registered in {url}, and the config says no more of it; "
                f"register it by `nas targets add {section.name}`, or write its keys"
            )
        return Target(**given)
    for key, value in changed.items():
        own = getattr(registered, key)
        if own != value:
            raise ConfigError(
                f"target.{key} is {value!r} in the config, but {own!r} in the registered target "
                f"{section.name!r}; leave the key out, or give the target another name"
            )
    return registered


def _changed(section: TargetSection, given: dict[str, Any]) -> dict[str, Any]:
    """Keys beside the name that differ from their defaults."""
    defaults = type(section)().model_dump()
    return {key: value for key, value in given.items() if key != "name" and value != defaults[key]}


def _registered(name: str, url: str) -> Target | None:
    scheme, _, rest = url.partition(":///")
    if name == LOCAL or (scheme.startswith("sqlite") and not Path(rest.partition("?")[0]).exists()):
        return None
    with translated(), Ledger.open(url) as ledger:
        return find_target(ledger, name)
