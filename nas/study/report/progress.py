"""Hypervolume over what was spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from nas.figures import figure
from nas.report.document import Block, Chart, Heading, Paragraph, Section, Table
from nas.report.progress import ProgressPoint, progress_chart
from nas.report.thinning import thinned
from nas.study.history import reference_point
from nas.study.report.reading import Reading
from nas.study.standing import Standing

#: Points of a curve that are drawn.
MOST_POINTS: Final = 300
_SHARES: Final = (0.1, 0.25, 0.5, 0.75, 1.0)
_MISSING: Final = (
    "There is no curve yet: it needs the full model, which the reference point is relative to, and a "
    "sub-network that holds all budgets."
)


@dataclass(frozen=True, kw_only=True)
class Step:
    """Where the search stood after a trial that enlarged the hypervolume, or at the end.

    Attributes:
        number: of the trial.
        evaluated: sub-networks whose evaluation had ended or was paused.
        examples: forward examples spent until then.
        front: members of the front.
        hypervolume: share of the box between reference and ideal.
    """

    number: int
    evaluated: int
    examples: float
    front: int
    hypervolume: float


def progress_section(reading: Reading) -> Section:
    """The curve over forward examples and over trials, and what it is relative to."""
    return Section(title="Hypervolume over compute", anchor="progress", blocks=tuple(_blocks(reading)))


def steps_of(reading: Reading) -> list[Step]:
    """Every trial that enlarged the hypervolume, and the last one; empty while it is not known or 0."""
    standing = Standing(reading.objectives, reading.full)
    steps: list[Step] = []
    examples, reached, trials = 0.0, 0.0, reading.in_order
    for evaluated, trial in enumerate(trials, start=1):
        standing.note(trial)
        examples += reading.examples(trial)
        volume = standing.hypervolume or 0.0
        if volume > reached or (steps and evaluated == len(trials)):
            reached = volume
            steps.append(
                Step(
                    number=trial.number,
                    evaluated=evaluated,
                    examples=examples,
                    front=len(standing.front),
                    hypervolume=volume,
                )
            )
    return steps


def _blocks(reading: Reading) -> list[Block]:
    steps = steps_of(reading)
    if not steps:
        return [Paragraph(text=_MISSING)]
    unit = "Forward examples" if reading.full_examples > 1 or reading.is_staged else "Evaluations"
    blocks: list[Block] = [Paragraph(text=_reference(reading)), _chart(steps, unit, over_trials=False)]
    if reading.is_staged:  # else both curves are the same
        blocks.append(_chart(steps, "Evaluated sub-networks", over_trials=True))
    blocks.append(_table(steps, unit))
    return blocks


def _reference(reading: Reading) -> str:
    corner = reference_point(reading.objectives, reading.full) or []
    pairs = zip(reading.objectives, corner, strict=True)
    written = ", ".join(f"{one.metric} {figure(one.metric, abs(value))}" for one, value in pairs)
    return (
        f"The hypervolume is a share of the box from the reference point ({written}: 0 of what is maximised, "
        "1.1 times the full model of what is minimised) to the ideal (1 of what is maximised, 0 of what is "
        "minimised). Sub-networks count in the order in which their evaluation ended or was paused."
    )


def _chart(steps: Sequence[Step], unit: str, *, over_trials: bool) -> Chart:
    points = [
        ProgressPoint(
            spent=float(step.evaluated) if over_trials else step.examples,
            reached=step.hypervolume,
            number=step.number,
        )
        for step in thinned(steps, MOST_POINTS)
    ]
    title = f"Hypervolume over {unit[0].lower()}{unit[1:]}"
    caption = "A point is a trial that enlarged the hypervolume; the last one is the end of the search."
    if len(points) < len(steps):
        caption += f" {len(points)} of {len(steps):,} points are drawn, evenly spread."
    return Chart(
        spec=progress_chart(points, x=unit, y="Hypervolume", title=title).to_dict(),
        caption=caption,
        description=f"{title}: it ends at {steps[-1].hypervolume:.4f} after {points[-1].spent:,.0f}.",
    )


def _table(steps: Sequence[Step], unit: str) -> Table:
    whole = steps[-1].examples
    titles = (unit, "Last gain after sub-networks", "Members of the front", "Hypervolume")
    return Table(
        caption="What was reached with a share of all that was spent.",
        headings=(Heading(title="Spent", is_number=False), *(Heading(title=title) for title in titles)),
        rows=tuple(_row(steps, share, whole) for share in _SHARES),
    )


def _row(steps: Sequence[Step], share: float, whole: float) -> tuple[str, ...]:
    spent = f"{100 * share:.0f} %", f"{share * whole:,.0f}"
    reached = [step for step in steps if step.examples <= share * whole]
    if not reached:
        return (*spent, "–", "–", "–")
    last = reached[-1]
    return (*spent, f"{last.evaluated:,}", f"{last.front:,}", f"{last.hypervolume:.4f}")
