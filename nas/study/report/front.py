"""The Pareto front: pictures and a table of its members."""

from __future__ import annotations

from typing import Final

from nas.report import PlotAxis, PlotPoint, PointKind, front_chart
from nas.report.document import Block, Chart, Paragraph, Section
from nas.report.thinning import thinned
from nas.study.plots import budget_of
from nas.study.report.reading import Reading
from nas.study.report.trial_tables import (
    latency_column,
    metric_columns,
    origin_of,
    size_columns,
    text_column,
    trial_table,
)
from nas.study.trial import Trial

#: Dominated and infeasible points drawn; the front and the baselines are always drawn.
MOST_POINTS: Final = 1000
MOST_ROWS: Final = 200


def front_section(reading: Reading) -> Section:
    """The front and its members; for three or four objectives each against the first."""
    return Section(title="Pareto front", anchor="front", blocks=tuple(_blocks(reading)))


def _blocks(reading: Reading) -> list[Block]:
    if not reading.done:
        return [Paragraph(text="There is nothing to show: no sub-network has been evaluated.")]
    blocks: list[Block] = []
    if len(reading.objectives) == 1:
        blocks.append(Paragraph(text="The study has one objective, so its front is the best sub-network."))
    shown = _shown(reading)
    for index in range(1, len(reading.objectives)):
        blocks.append(_chart(reading, shown, index))
    if not reading.front:
        blocks.append(Paragraph(text="No evaluated sub-network holds all budgets; the front is empty."))
        return blocks
    blocks.append(_table(reading))
    if not reading.recoveries:
        text = "These scores are of the supernet's weights, not trained after pruning."
        blocks.append(Paragraph(text=text, is_note=True))
    return blocks


def _shown(reading: Reading) -> list[Trial]:
    always = {trial.number for trial in (*reading.front, *reading.baselines)}
    others = thinned([trial for trial in reading.done if trial.number not in always], MOST_POINTS)
    kept = always | {trial.number for trial in others}
    return [trial for trial in reading.done if trial.number in kept]


def _chart(reading: Reading, shown: list[Trial], index: int) -> Chart:
    vertical, horizontal = reading.objectives[0], reading.objectives[index]
    budgets = list(reading.spec.constraints)
    x, y = (
        PlotAxis.of(one, budget=budget_of(one.metric, budgets, reading.full))
        for one in (horizontal, vertical)
    )
    front = {trial.number for trial in reading.front}
    points = [_point(trial, front, index) for trial in shown]
    title = f"{y.title} against {x.title[0].lower()}{x.title[1:]}"
    return Chart(
        spec=front_chart(points, x=x, y=y, title=title).to_dict(),
        caption=_caption(reading, shown),
        description=f"{title}: {len(front)} sub-networks on the Pareto front, listed in the table below.",
    )


def _point(trial: Trial, front: set[int], index: int) -> PlotPoint:
    """A baseline that is on the front is drawn as its member, so that the line runs through it."""
    assert trial.values is not None
    return PlotPoint(
        number=trial.number,
        x=trial.values[index],
        y=trial.values[0],
        kind=_kind(trial, front),
        label="full model" if trial.origin == "baseline:full" else "",
        tooltip={"architecture": trial.architecture, "origin": origin_of(trial)},
    )


def _kind(trial: Trial, front: set[int]) -> PointKind:
    if trial.number in front:
        return "front"
    if trial.origin.startswith("baseline:"):
        return "baseline"
    return "dominated" if trial.is_feasible else "infeasible"


def _caption(reading: Reading, shown: list[Trial]) -> str:
    parts = ["Point at a sub-network to read its sizes and figures."]
    if len(reading.objectives) > 2:
        parts.append("A member of the front may look dominated here: it is better in another objective.")
    if len(shown) < len(reading.done):
        parts.append(
            f"Drawn are {len(shown):,} of {len(reading.done):,} evaluated sub-networks: the whole front, all "
            "baselines, and an even sample of the others."
        )
    paused = sum(trial.state.value == "PAUSED" for trial in reading.trials)
    if paused:
        parts.append(f"{paused:,} paused sub-networks, of which there are only estimates, are left out.")
    return " ".join(parts)


def _table(reading: Reading) -> Block:
    members = thinned(reading.front, MOST_ROWS)
    caption = "Members of the front, the best in the first objective first."
    if len(members) < len(reading.front):
        caption += f" {len(members)} of {len(reading.front):,}, evenly spread along the front."
    if any("latency_ratio_low" in trial.metrics for trial in members):
        caption += " ± is half the 95 % interval of the paired measurement, * one that other work disturbed."
    columns = [*size_columns(), *metric_columns(reading)]
    if reading.spec.target is not None:
        columns.append(latency_column())
    columns += [
        text_column("Loads with", lambda t: "stock class" if t.portability == "plain" else "custom code"),
        text_column("Origin", origin_of),
    ]
    return trial_table(caption, members, columns)
