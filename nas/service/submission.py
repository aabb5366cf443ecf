"""From what somebody submits to a checked config: only names that the server knows, never a path or URL."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nas.config import SearchConfig, load_yaml, parse_config
from nas.config.documents import kind_of
from nas.config.loading import BUNDLED_DATA
from nas.errors import ConfigError
from nas.jobs.bundled import bundled_model, published_name
from nas.jobs.job_config import FOLDER
from nas.names import entry
from nas.service.model_sources import check_source

if TYPE_CHECKING:
    from nas.service.settings import DataSource, ModelSource, ServiceSettings

BUNDLED_MODEL: Final = "bundled"
#: Sections that say where the server keeps things and computes; they are its own and never shown.
SERVER_SECTIONS: Final = ("storage", "workers")
_DATA_KEYS: Final = ("train", "validation", "test")


def search_config(
    document: Mapping[str, object], *, settings: ServiceSettings, account: str, is_admin: bool
) -> SearchConfig:
    """The config of a submitted search, with the server's paths in place of the names of models and data.

    Args:
        document: as submitted.
        settings: of the service.
        account: who submits it; the study is named `ACCOUNT.NAME` unless it is already.
        is_admin: whether the name is taken as it is.

    Raises:
        ConfigError: a key that is the server's, a name that it does not know, a model that is not the one
            that was allowed, a value above a cap, or anything else that a config may not hold.
    """
    _refuse_server_keys(document)
    result: dict[str, object] = {**document, **_server_sections(settings)}
    if not is_admin:
        result["name"] = _prefixed(document.get("name"), account)
    result["model"] = _with_model(document.get("model"), settings)
    result["data"] = _with_data(document.get("data"), settings)
    config = parse_config(
        {key: value for key, value in result.items() if value is not None or key in document}
    )
    _check_caps(config, settings)
    return config


def public_document(config: Mapping[str, Any], settings: ServiceSettings) -> dict[str, Any]:
    """A stored config as it may be shown: names in place of paths, nothing of the server's."""
    hidden = (*SERVER_SECTIONS, FOLDER)
    result: dict[str, Any] = {key: value for key, value in config.items() if key not in hidden}
    models = {_absolute(source): name for name, source in settings.models.items()}
    data = {_absolute(source): name for name, source in settings.data.items()}
    _rename(result, "model", ("id",), lambda path: models.get(path) or _public_model(path))
    _rename(result, "data", _DATA_KEYS, lambda path: data.get(path) or _last_part(path))
    _rename(result, "supernet", ("checkpoint",), _last_part)
    return result


def yaml_document(text: str) -> dict[str, object]:
    """A submitted YAML text as a mapping, within the limits of `nas.config.load_yaml`.

    Raises:
        ConfigError: it is no such text, or no mapping.
    """
    document = load_yaml(text)
    if not isinstance(document, dict):
        raise ConfigError(f"got {kind_of(document)}; the config must hold `key: value` lines")
    return dict(document)


def _refuse_server_keys(document: Mapping[str, object]) -> None:
    for section in SERVER_SECTIONS:
        if section in document:
            raise ConfigError(f"{section}: this section is set by the server; leave it out")
    supernet = document.get("supernet")
    if isinstance(supernet, Mapping) and supernet.get("checkpoint") is not None:
        raise ConfigError("supernet.checkpoint: a folder of the server cannot be named; leave it out")


def _server_sections(settings: ServiceSettings) -> dict[str, object]:
    return {
        "storage": {"url": settings.storage.url, "artifacts": str(settings.artifacts.absolute())},
        "workers": settings.workers.model_dump(mode="json"),
    }


def _prefixed(name: object, account: str) -> object:
    """The name behind the account's prefix; anything but text is left for the config's own check."""
    prefix = f"{account}."
    return prefix + name if isinstance(name, str) and name and not name.startswith(prefix) else name


def _with_model(section: object, settings: ServiceSettings) -> object:
    if not isinstance(section, Mapping) or not isinstance(section.get("id"), str):
        return section
    name, revision = str(section["id"]), section.get("revision")
    if name == BUNDLED_MODEL:
        if revision is not None:
            raise ConfigError("model.revision: the bundled model has none; leave it out")
        return {**section, "id": _bundled_folder()}
    known = dict.fromkeys([BUNDLED_MODEL, *settings.models])
    entry(known, name, "model of this server")
    source = settings.models[name]
    if revision not in (None, source.revision):
        raise ConfigError(
            f"model.revision: the server has model {name!r} at {source.revision or 'no stated revision'}; "
            "leave it out"
        )
    check_source(name, source)
    return {**section, "id": _absolute(source), "revision": source.revision}


def _absolute(source: ModelSource | DataSource) -> str:
    return str(Path(source.path).absolute())


def _bundled_folder() -> str:
    folder = bundled_model()
    if not Path(folder).is_dir():
        raise ConfigError("the bundled model is not installed on this server; name another one")
    return folder


def _with_data(section: object, settings: ServiceSettings) -> object:
    if not isinstance(section, Mapping):
        return section
    result = dict(section)
    known = dict.fromkeys([BUNDLED_DATA, *settings.data])
    for key in _DATA_KEYS:
        name = section.get(key)
        if isinstance(name, str) and name != BUNDLED_DATA:
            entry(known, name, "data of this server")
            result[key] = _absolute(settings.data[name])
    return result


def _check_caps(config: SearchConfig, settings: ServiceSettings) -> None:
    """Refuse what is above a cap of the service."""
    most = settings.limits.max_trials
    if config.search.trials > most:
        raise ConfigError(f"search.trials: got {config.search.trials}; this server allows at most {most}")
    train = config.supernet.train
    ranks = config.workers.num_workers or 1
    if train is not None and train.ranks > ranks:
        raise ConfigError(f"supernet.train.ranks: got {train.ranks}; this server allows at most {ranks}")


def _rename(
    document: dict[str, Any], section: str, keys: Sequence[str], renamed: Callable[[str], str]
) -> None:
    values = document.get(section)
    if not isinstance(values, Mapping):
        return
    changed = {key: renamed(values[key]) for key in keys if isinstance(values.get(key), str)}
    document[section] = {**values, **changed}


def _public_model(path: str) -> str:
    """`bundled` for its folder, the last part of any other absolute path, a hub id as it is."""
    return BUNDLED_MODEL if published_name(path) != path else _last_part(path)


def _last_part(path: str) -> str:
    return Path(path).name if Path(path).is_absolute() else path
