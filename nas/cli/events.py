"""The last lines of a study's log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nas.cli.database import storage_errors

if TYPE_CHECKING:
    from nas.client import JobEvent
    from storage import EventRecord

SHOWN_EVENTS: Final = 8
_LONGEST: Final = 60


def last_events(study: str, url: str, count: int = SHOWN_EVENTS) -> list[EventRecord]:
    """The newest events of a study, oldest first."""
    with storage_errors():
        from storage import Ledger

        with Ledger.open(url) as ledger:
            return ledger.newest_events(ledger.study(study).id, limit=count)


def event_record(event: EventRecord | JobEvent) -> dict[str, Any]:
    """An event as `--json` prints it."""
    return {"at": event.at.isoformat(), "kind": event.kind, **event.payload}


def event_line(event: EventRecord | JobEvent) -> tuple[str, str, str]:
    """Time, kind and facts of an event."""
    facts = ", ".join(filter(None, (_fact(name, value) for name, value in event.payload.items())))
    return f"{event.at:%Y-%m-%d %H:%M:%S}", event.kind.replace("_", " "), facts


def _fact(name: str, value: Any) -> str:
    """A short value with its name; nothing of what is empty or nested."""
    if value is None or isinstance(value, dict) or value in ("", []):
        return ""
    if isinstance(value, float):
        return f"{name} {value:.3g}"
    text = str(value)
    return f"{name} {text if len(text) <= _LONGEST else f'{text[: _LONGEST - 1]}…'}"
