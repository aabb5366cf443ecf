"""What the search gained over what needs no search, at equal cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nas.figures import figure
from nas.objectives import Objective
from nas.report.document import Block, Heading, Paragraph, Section, Table
from nas.study.history import front_of, minimised
from nas.study.report.reading import Reading
from nas.study.report.trial_tables import (
    metric_columns,
    number_column,
    origin_of,
    size_columns,
    text_column,
    trial_table,
)
from nas.study.trial import Trial


@dataclass(frozen=True, kw_only=True)
class Gain:
    """A baseline, and the best that the search found at no greater cost.

    Attributes:
        found: None where the search found nothing that costs no more.
        value: difference in the first objective, positive where the search is better.
    """

    baseline: Trial
    found: Trial | None
    value: float | None


def gains_of(reading: Reading) -> list[Gain]:
    """Each baseline against the front of all other feasible sub-networks.

    A member counts if it is no worse in every objective but the first. Baselines themselves are not
    members, so that a gain may be negative: the search then has found nothing as good.
    """
    taken = {trial.number for trial in reading.baselines}
    searched = front_of([t for t in reading.done if t.number not in taken], reading.objectives)
    return gains_over(reading.baselines, searched, reading.objectives)


def gains_over(
    baselines: Sequence[Trial], searched: Sequence[Trial], objectives: Sequence[Objective]
) -> list[Gain]:
    """As `gains_of`, the front of the search being known.

    Args:
        baselines: evaluated ones.
        searched: the front of all others, the best in the first objective first.
        objectives: of the study.
    """
    return [_gain(baseline, searched, objectives) for baseline in baselines]


def baselines_section(reading: Reading) -> Section:
    """Every baseline, and the gain over each kind of them."""
    return Section(title="Baselines", anchor="baselines", blocks=tuple(_blocks(reading)))


def _blocks(reading: Reading) -> list[Block]:
    gains = gains_of(reading)
    if not gains:
        return [Paragraph(text="No baseline has been evaluated.")]
    first, *others = reading.objectives
    cost = f"is no worse in {', '.join(one.metric for one in others)}" if others else "was searched for"
    text = (
        f"The gain is the difference in {first.metric} between the baseline and the best sub-network of the "
        f"search, baselines left out, that {cost}; it is positive where the search is better."
    )
    return [Paragraph(text=text), _by_kind(gains, first), _each(reading, gains)]


def _gain(baseline: Trial, searched: Sequence[Trial], objectives: Sequence[Objective]) -> Gain:
    own = minimised(baseline.values or (), objectives)
    for trial in searched:  # the best in the first objective first
        theirs = minimised(trial.values or (), objectives)
        if all(one <= limit for one, limit in zip(theirs[1:], own[1:], strict=True)):
            return Gain(baseline=baseline, found=trial, value=own[0] - theirs[0])
    return Gain(baseline=baseline, found=None, value=None)


def _by_kind(gains: Sequence[Gain], objective: Objective) -> Table:
    kinds: dict[str, list[Gain]] = {}
    for gain in gains:
        kinds.setdefault(origin_of(gain.baseline), []).append(gain)
    rows = []
    for kind, members in kinds.items():
        values = [gain.value for gain in members if gain.value is not None]
        summary = [sum(values) / len(values), min(values), max(values)] if values else [None] * 3
        rows.append((kind, str(len(members)), str(len(values)), *(_signed(objective, v) for v in summary)))
    titles = ("Evaluated", "Compared", "Mean gain", "Least", "Most")
    return Table(
        caption=f"Gain in {objective.metric} at equal cost, by kind of baseline.",
        headings=(Heading(title="Baseline", is_number=False), *(Heading(title=title) for title in titles)),
        rows=tuple(rows),
    )


def _each(reading: Reading, gains: Sequence[Gain]) -> Table:
    by_number = {gain.baseline.number: gain for gain in gains}

    def found(trial: Trial) -> str:
        best = by_number[trial.number].found
        return "none costs as little" if best is None else f"trial {best.number}"

    columns = [
        text_column("Baseline", origin_of),
        *size_columns(),
        *metric_columns(reading),
        text_column("Best at its cost", found),
        number_column("Gain", lambda t: _signed(reading.objectives[0], by_number[t.number].value)),
    ]
    if reading.spec.constraints:
        columns.append(text_column("Budgets", lambda t: "held" if t.is_feasible else "broken"))
    return trial_table("Each baseline.", [gain.baseline for gain in gains], columns)


def _signed(objective: Objective, value: float | None) -> str:
    if value is None:
        return "–"
    sign = "+" if value > 0 else "−" if value < 0 else ""
    return f"{sign}{figure(objective.metric, abs(value))}"
