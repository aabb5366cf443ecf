"""`nas search show` for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from nas.cli.events import event_line
from nas.cli.output import Column, Output
from nas.cli.trial_tables import print_front

if TYPE_CHECKING:
    from nas.cli.snapshot import Snapshot
    from nas.client import JobEvent
    from nas.study import Study
    from storage import EventRecord


def print_study(
    out: Output, facts: Mapping[str, str], snapshot: Snapshot, events: Sequence[EventRecord | JobEvent]
) -> None:
    """What defines a study, what came of it, and what happened last."""
    out.text(f"Study {snapshot.name}", style="bold")
    out.pairs(facts)
    out.text()
    print_front(out, snapshot)
    out.text()
    out.text("Last events", style="bold")
    columns = [Column(title=title, align="left") for title in ("at", "what", "facts")]
    out.table(columns, [event_line(event) for event in events])


def study_facts(study: Study, snapshot: Snapshot) -> dict[str, str]:
    """What defines a study, for people."""
    spec, target = study.spec, study.target
    provenance = spec.supernet.get("provenance", {})
    is_of_images = spec.supernet.get("task") == "image-classification"
    tokens = "" if target is None or is_of_images else f", {target.sequence_length} tokens"
    return {
        "state": study.state.value.lower(),
        "trials": ", ".join(f"{number} {state}" for state, number in snapshot.counts.items()),
        "model": f"{provenance.get('source', 'unknown')} ({spec.supernet.get('task', 'unknown')})",
        "ranked by": ", ".join(f"{axis} {name}" for axis, name in spec.supernet.get("ranking", {}).items())
        or "nothing",
        "space": str(spec.space["kind"]),
        "objectives": ", ".join(map(str, study.objectives)),
        "constraints": ", ".join(map(str, study.constraints)) or "none",
        "target": "none"
        if target is None
        else f"{target.name}: {target.device}, {target.dtype}, batch {target.batch_size}{tokens}",
        "search": f"{spec.sampler}, seed {spec.seed}",
    }
