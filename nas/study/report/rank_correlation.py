"""Whether cheap scores put sub-networks in the order of dear ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from nas.figures import figure
from nas.metrics import kendall_tau
from nas.objectives import Objective
from nas.report.document import Block, Code, Heading, Paragraph, Section, Table
from nas.report.thinning import thinned
from nas.study.recovery import Recovery, best_first, ranked_by
from nas.study.report.command_lines import command_line
from nas.study.report.reading import Reading

#: Sub-networks whose stages are compared; each costs a read.
MOST_STAGED: Final = 300
_WHAT: Final = "Kendall's tau-b is 1 for the same order, 0 for no relation, −1 for the reverse order."


def rank_correlation_section(reading: Reading) -> Section:
    """Kendall's tau of scores before and after recovery, and of the first stage and the last."""
    blocks: tuple[Block, ...]
    if not reading.spec.quality_metrics:
        blocks = (Paragraph(text="The study measures no quality, so there are no scores to correlate."),)
    else:
        objective = ranked_by(reading.spec)
        blocks = (Paragraph(text=_WHAT), *_recovered(reading, objective), _staged(reading, objective))
    return Section(title="Rank correlation", anchor="rank-correlation", blocks=blocks)


@dataclass(frozen=True, kw_only=True)
class StagedScore:
    """A metric of a sub-network on the first part that is stored, of `examples`, and on all of them."""

    examples: int
    first: float
    last: float


def staged_scores(reading: Reading, metric: str) -> list[StagedScore]:
    """Of sub-networks that were evaluated to the end and have an earlier part stored, at most 300."""
    sha256 = reading.evaluator.get("sha256")
    if sha256 is None or reading.full_examples <= 1:
        return []
    supernet = reading.record.fingerprint.get("supernet", "")
    scores = []
    for trial in thinned(reading.done, MOST_STAGED):
        stages = reading.ledger.quality_stages(supernet, trial.key, sha256)
        is_whole = len(stages) > 1 and stages[-1].stage == reading.full_examples
        if is_whole and metric in stages[0].metrics:
            first, last = stages[0].metrics[metric], stages[-1].metrics[metric]
            scores.append(StagedScore(examples=stages[0].stage, first=first, last=last))
    return scores


def _recovered(reading: Reading, objective: Objective) -> tuple[Block, ...]:
    metric = objective.metric
    own = [one for one in reading.recoveries if one.kind == "recovered" and metric in one.before]
    if not own:
        line = command_line(reading, "recover", "--top", "5", name=reading.name)
        text = "No sub-network was recovered, so nothing is known of how far the supernet's scores are kept."
        return (
            Paragraph(text=text),
            Code(title="This command trains the best and measures them again:", text=line),
        )
    ranked = best_first(own, objective)
    tau = _tau([(one.before[metric], one.after[metric]) for one in ranked])
    text = f"Scores of the supernet's weights against those after recovery, {len(own)} sub-networks: {tau}."
    return (Paragraph(text=text), _table(ranked, metric))


def _table(ranked: Sequence[Recovery], metric: str) -> Table:
    titles = ("Before", "After", "Passes", "Examples")
    rows = tuple(
        (
            f"trial {one.trial}",
            figure(metric, one.before[metric]),
            figure(metric, one.after[metric]),
            f"{one.passes:,}",
            f"{one.examples:,}",
            one.summary,
        )
        for one in ranked
    )
    return Table(
        caption=f"Recovered sub-networks by {metric} after recovery, the best first.",
        headings=(
            Heading(title="Sub-network", is_number=False),
            *(Heading(title=title) for title in titles),
            Heading(title="Recipe", is_number=False),
        ),
        rows=rows,
    )


def _staged(reading: Reading, objective: Objective) -> Paragraph:
    scores = staged_scores(reading, objective.metric)
    if not scores:
        return Paragraph(
            text="No sub-network that was evaluated to the end has the score of an earlier stage stored."
        )
    sizes = sorted({score.examples for score in scores})
    part = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    tau = _tau([(score.first, score.last) for score in scores])
    return Paragraph(
        text=f"{objective.metric} on the first stored part, {part} examples, against all "
        f"{reading.full_examples:,}, over {len(scores)} sub-networks that were evaluated to the end: {tau}."
    )


def _tau(pairs: Sequence[tuple[float, float]]) -> str:
    tau = kendall_tau([first for first, _ in pairs], [last for _, last in pairs])
    return "too few or all equal for a tau" if tau is None else f"tau {tau:.3f}"
