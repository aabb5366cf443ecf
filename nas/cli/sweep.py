"""The best sub-network under each of a series of budgets: `latency_ms=2:10:1`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from nas.cli.figures import figure
from nas.cli.output import Column, Output
from nas.cli.records import infeasible_record, trial_record
from nas.errors import ConfigError, InfeasibleError

if TYPE_CHECKING:
    from nas.cli.study_source import StudySource
    from nas.cli.trial_rows import TrialRow
    from nas.objectives import Constraint

MOST_STEPS: Final = 1000
_SWEEP: Final = re.compile(r"\s*(?P<metric>\w+)\s*=\s*(?P<first>[^:]+):(?P<last>[^:]+):(?P<step>[^:]+)")
_GRAMMAR: Final = "METRIC=FIRST:LAST:STEP, such as latency_ms=2:10:1 or num_parameters=10M:60M:10M"


@dataclass(frozen=True, kw_only=True)
class Step:
    """What was selected under one budget of the series; the error where nothing meets it."""

    budget: Constraint
    best: TrialRow | None
    error: InfeasibleError | None = None

    def to_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        found = None if self.best is None else trial_record(self.best)
        problem = {} if self.error is None else infeasible_record(self.error)
        return {"where": str(self.budget), "trial": found, **problem}


def print_sweep(out: Output, study: StudySource, text: str, where: Sequence[str]) -> None:
    """Select under each budget of a series, and print what was found.

    Raises:
        ConfigError: the series is not written as it should be.
        InfeasibleError: no budget of the series can be met.
    """
    steps = [_step(study, budget, where) for budget in budgets_of(text, study)]
    if out.as_json:
        out.json([step.to_json() for step in steps])
    elif out.quiet:
        numbers = [step.best.number for step in steps if step.best is not None]
        out.ids([f"{study.name}@{number}" for number in dict.fromkeys(numbers)])
    else:
        _print_table(out, steps, study)
    error = steps[-1].error
    if error is not None and all(step.best is None for step in steps):
        raise error


def budgets_of(text: str, study: StudySource) -> list[Constraint]:
    """The budgets of a series: upper bounds, of a metric that is maximised lower ones.

    Raises:
        ConfigError: another form, or too many steps.
    """
    from nas.objectives import Constraint

    match = _SWEEP.fullmatch(text)
    if match is None:
        raise ConfigError(f"--sweep {text[:80]!r}: write {_GRAMMAR}")
    metric = match["metric"]
    is_maximised = any(one.metric == metric and one.direction == "max" for one in study.objectives)
    known = [*(one.metric for one in study.objectives), *(one.metric for one in study.constraints)]
    first, last, step = (
        Constraint.parse(f"{metric} <= {match[part].strip()}", metrics=[*known, *study.full]).threshold({})
        for part in ("first", "last", "step")
    )
    values = _values(first, last, step)
    return [Constraint(metric=metric, relation=">=" if is_maximised else "<=", number=v) for v in values]


def _values(first: float, last: float, step: float) -> list[float]:
    """From first to last, both included; counted in fractions, so that 0.1:0.3:0.1 has three values."""
    low, high, width = (Fraction(repr(value)) for value in (first, last, step))
    if width <= 0 or high < low:
        raise ConfigError(f"--sweep {first:g}:{last:g}:{step:g}: LAST is no less than FIRST, STEP above 0")
    count = int((high - low) / width) + 1
    if count > MOST_STEPS:
        raise ConfigError(f"--sweep: {count} steps are too many, allowed are {MOST_STEPS}; take a wider STEP")
    return [float(low + index * width) for index in range(count)]


def _step(study: StudySource, budget: Constraint, where: Sequence[str]) -> Step:
    try:
        return Step(budget=budget, best=study.best([*where, str(budget)]))
    except InfeasibleError as error:
        return Step(budget=budget, best=None, error=error)


def _print_table(out: Output, steps: Sequence[Step], study: StudySource) -> None:
    from nas.cli.snapshot import shown_metrics
    from nas.cli.trial_tables import metric_cell

    metrics = shown_metrics(study.objectives, study.constraints)
    titles = ("trial", "layers", "heads", "FFN", "hidden", *metrics)
    rows = []
    for step in steps:
        budget = (
            f"{step.budget.metric} {step.budget.relation} {figure(step.budget.metric, step.budget.number)}"
        )
        if step.best is None:
            rows.append([budget, "none", *[""] * (len(titles) - 1)])
            continue
        sizes, best = step.best.sizes, step.best
        cells = [metric_cell(name, best.metrics) for name in metrics]
        rows.append([budget, str(best.number), sizes.layers, sizes.heads, sizes.ffn, sizes.hidden, *cells])
    out.table([Column(title="budget", align="left"), *(Column(title=title) for title in titles)], rows)
