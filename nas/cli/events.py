"""The last lines of a study's log."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from nas.cli.database import storage_errors

if TYPE_CHECKING:
    from storage import EventRecord

SHOWN_EVENTS: Final = 8
_PAGE: Final = 10_000


def last_events(study: str, url: str, count: int = SHOWN_EVENTS) -> list[EventRecord]:
    """The newest events of a study, oldest first."""
    with storage_errors():
        from storage import Ledger

        kept: deque[EventRecord] = deque(maxlen=count)
        with Ledger.open(url) as ledger:
            study_id, after = ledger.study(study).id, 0
            while page := ledger.events(study_id, after=after, limit=_PAGE):
                kept.extend(page)
                after = page[-1].id
    return list(kept)


def event_record(event: EventRecord) -> dict[str, Any]:
    """An event as `--json` prints it."""
    return {"at": event.at.isoformat(), "kind": event.kind, **event.payload}


def event_line(event: EventRecord) -> tuple[str, str, str]:
    """Time, kind and facts of an event."""
    facts = ", ".join(f"{name} {_short(value)}" for name, value in event.payload.items() if value is not None)
    return f"{event.at:%Y-%m-%d %H:%M:%S}", event.kind.replace("_", " "), facts


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
