"""What was searched, and what came of it in numbers."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from nas.report.document import Block, Facts, Heading, Paragraph, Section, Table
from nas.study.history import normalised_hypervolume
from nas.study.report.reading import Reading

_MEANINGS: Final = {
    "DONE": "evaluated on all examples",
    "PAUSED": "stopped early, as dominated with the race's confidence; estimates only, never on the front",
    "FAILED": "the evaluation failed",
    "INFEASIBLE": "an exact cost breaks a budget; never evaluated",
    "DUPLICATE": "proposed again; the known result was taken",
    "RUNNING": "under evaluation",
    "PROPOSED": "waits for its evaluation",
}
_MOST_REASONS: Final = 10
_LONGEST_REASON: Final = 160


def summary_section(reading: Reading) -> Section:
    """Model, data, objectives, budgets, states of trials, and what was spent."""
    blocks: list[Block] = [Facts(values=_facts(reading)), _states(reading), *_failures(reading)]
    if reading.full_examples:
        blocks.append(Paragraph(text=_spent(reading)))
    return Section(title="Summary", anchor="summary", blocks=tuple(blocks))


def _facts(reading: Reading) -> dict[str, str]:
    spec, record = reading.spec, reading.record
    volume = normalised_hypervolume(reading.front, reading.objectives, reading.full)
    facts = {
        "State": record.state.value.lower() + (f": {record.reason}" if record.reason else ""),
        "Model": _model(spec.supernet),
        "Supernet": _supernet(spec.supernet),
        "Search space": f"{spec.space['kind']}, {len(spec.space['dimensions'])} dimensions",
        "Data": _data(reading.evaluator),
        "Objectives": ", ".join(map(str, reading.objectives)),
        "Constraints": ", ".join(map(str, spec.constraints)) or "none",
        "Latency target": _target(reading),
        "Search": _search(reading),
        "Hypervolume": "not known before the full model is measured" if volume is None else f"{volume:.4f}",
    }
    return {name: value for name, value in facts.items() if value}


def _model(supernet: Any) -> str:
    source = supernet.get("provenance", {}).get("source") or "not recorded"
    return f"{source} ({supernet.get('task', 'task not recorded')})"


def _supernet(supernet: Any) -> str:
    ranking = ", ".join(f"{axis} by {name}" for axis, name in supernet.get("ranking", {}).items())
    training = supernet.get("provenance", {}).get("training") or {}
    trained = (
        f"trained by {training.get('strategy')} for {training.get('passes', 0):,} passes"
        if training
        else "not trained as a supernet"
    )
    return f"{f'units ranked: {ranking}' if ranking else 'units not ranked'}; {trained}"


def _data(evaluator: Any) -> str:
    if not evaluator:
        return "not evaluated yet"
    parts = [f"{evaluator.get('examples', 0):,} examples"] if evaluator.get("examples", 0) > 1 else []
    parts += [f"metrics {', '.join(evaluator.get('metrics', ())) or 'of the evaluator'}"]
    parts += [f"in {evaluator['precision']}"] if "precision" in evaluator else []
    return f"{evaluator.get('kind', 'evaluator')}: {', '.join(parts)}"


def _target(reading: Reading) -> str:
    target = reading.spec.target
    if target is None:
        return "none"
    return (
        f"{target.name}: {target.backend} on {target.device}, {target.dtype}, batch {target.batch_size}, "
        f"{target.sequence_length} tokens, {target.threads} thread{'' if target.threads == 1 else 's'}"
    )


def _search(reading: Reading) -> str:
    spec = reading.spec
    racing = reading.record.spec.get("racing")
    staged = f"; racing: {_listed(racing)}" if racing else "; every candidate on all examples"
    return (
        f"sampler {spec.sampler}, seed {spec.seed}, initial design {', '.join(spec.design) or 'none'}{staged}"
    )


def _listed(settings: Any) -> str:
    if not isinstance(settings, dict):
        return str(settings)
    return ", ".join(f"{name} {value}" for name, value in settings.items() if value not in ([], None))


def _states(reading: Reading) -> Table:
    counts = Counter(trial.state.value for trial in reading.trials)
    known = [state for state in _MEANINGS if counts[state] or state == "DONE"]
    rows = [(state.lower(), f"{counts[state]:,}", _MEANINGS[state]) for state in known]
    over = sum(not trial.is_feasible for trial in reading.done)
    if over:
        rows.insert(
            1, ("over a budget", f"{over:,}", "of the evaluated: a measured quantity breaks a budget")
        )
    return Table(
        caption=f"{len(reading.trials):,} trials by state",
        headings=(
            Heading(title="State", is_number=False),
            Heading(title="Trials"),
            Heading(title="Meaning", is_number=False),
        ),
        rows=tuple(rows),
    )


def _failures(reading: Reading) -> list[Table]:
    """Why evaluations failed, the most frequent first; nothing where none did."""
    reasons = Counter(
        trial.reason or "not recorded" for trial in reading.trials if trial.state.value == "FAILED"
    )
    if not reasons:
        return []
    shown = reasons.most_common(_MOST_REASONS)
    caption = "Failed evaluations by reason"
    caption += (
        f", the {_MOST_REASONS} most frequent of {len(reasons):,}." if len(shown) < len(reasons) else "."
    )
    headings = (Heading(title="Reason", is_number=False), Heading(title="Trials"))
    rows = tuple((_shortened(reason), f"{number:,}") for reason, number in shown)
    return [Table(caption=caption, headings=headings, rows=rows)]


def _shortened(reason: str) -> str:
    return reason if len(reason) <= _LONGEST_REASON else f"{reason[: _LONGEST_REASON - 1]}…"


def _spent(reading: Reading) -> str:
    trials = reading.in_order
    spent = sum(reading.examples(trial) for trial in trials)
    whole = reading.full_examples * len(trials)
    if reading.full_examples == 1:
        return f"{len(trials):,} evaluations; the evaluator does not count examples."
    text = f"{spent:,.0f} forward examples were spent on {len(trials):,} evaluated sub-networks"
    if not reading.is_staged or not whole:
        return f"{text}, each evaluated on all {reading.full_examples:,} examples."
    share = 100 * spent / whole
    return f"{text}, {share:.1f} % of the {whole:,} that full evaluation of each would have cost."
