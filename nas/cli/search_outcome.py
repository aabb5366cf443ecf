"""What a search that ended prints, and which commands may follow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nas.cli.options import command
from nas.cli.output import Output, note, note_commands
from nas.cli.records import front_record

if TYPE_CHECKING:
    from nas.cli.snapshot import Snapshot
    from nas.config import SearchConfig
    from nas.study import Study


def print_outcome(out: Output, study: Study, config: SearchConfig) -> None:
    """The front of a study, as the output wants it."""
    from nas.cli.snapshot import snapshot_of
    from nas.cli.trial_tables import print_front

    snapshot = snapshot_of(study)
    if out.as_json:
        out.json(front_record(snapshot))
    elif out.quiet:
        out.ids([f"{study.name}@{trial.number}" for trial in snapshot.front])
    else:
        print_front(out, snapshot)
        say_next(snapshot, config.storage.url, config.storage.artifacts, formats=config.export.formats)


def say_next(
    snapshot: Snapshot, storage: str, artifacts: str | Path, *, formats: Sequence[str] = ("hf",)
) -> None:
    """The commands that follow a search, ready to be copied."""
    if not snapshot.front:
        note("no evaluated sub-network holds the budgets; relax them, or search longer", label="warning")
        return
    name, best = snapshot.name, snapshot.front[0]
    commands = []
    if len(snapshot.objectives) > 1 and snapshot.objectives[1].direction == "min":
        metric = snapshot.objectives[1].metric
        middle = snapshot.front[len(snapshot.front) // 2].metrics[metric]
        budget = f"{metric} <= {_rounded_up(middle):.15g}"
        commands.append(command("select", name, "--where", budget, storage=storage))
    words = ["export", f"{name}@{best.number}", "-o", f"{name}-{best.number}"]
    if tuple(formats) != ("hf",):
        words += ["--format", ",".join(formats)]
    commands.append(command(*words, storage=storage, artifacts=artifacts))
    note_commands(commands)


def _rounded_up(value: float) -> float:
    """The next number with two significant digits."""
    if value <= 0:
        return value
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    return math.ceil(value / step) * step
