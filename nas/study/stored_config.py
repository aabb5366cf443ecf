"""The resolved config of a study, in its log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from storage import Ledger

#: Kind of the event that holds a config.
CONFIG_EVENT: Final = "config"
_ALL: Final = 1_000_000


def stored_config(ledger: Ledger, study_id: int) -> dict[str, Any] | None:
    """The newest config that the study was run with; None where it was made in Python."""
    events = ledger.events(study_id, limit=_ALL, kind=CONFIG_EVENT)
    return dict(events[-1].payload["config"]) if events else None


def store_config(
    ledger: Ledger, study_id: int, config: Mapping[str, Any], versions: Mapping[str, str]
) -> None:
    """Note a config, which holds no secret, and the versions that it ran with, unless it is the newest."""
    if stored_config(ledger, study_id) != dict(config):
        payload = {"config": dict(config), "versions": dict(versions)}
        ledger.add_event(study_id, CONFIG_EVENT, payload)
