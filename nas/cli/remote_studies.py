"""Studies of a service as the tables want them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from nas.cli.snapshot import Snapshot, counts_of, shown_metrics

if TYPE_CHECKING:
    from nas.client import RemoteStudy, StudyFacts
    from nas.objectives import Constraint, Objective

_STATES: Final = ("DONE", "PAUSED", "FAILED", "INFEASIBLE", "DUPLICATE")
_FULL: Final = "baseline:full"


def remote_snapshot(study: RemoteStudy, facts: StudyFacts | None = None) -> Snapshot:
    """A study of a service; its trials stay there, only the front and the baselines are read."""
    known = study.facts() if facts is None else facts
    objectives, constraints = grammar_of(known)
    front, baselines = study.best_trials, study.baselines()
    full = next((dict(t.metrics) for t in baselines if t.origin == _FULL), {})
    counts = {state: study.num_trials(state) for state in _STATES}
    counts["RUNNING"] = max(0, known.num_trials - sum(counts.values()))
    return Snapshot(
        name=known.name,
        objectives=objectives,
        shown_metrics=shown_metrics(objectives, constraints),
        num_trials=known.num_trials,
        counts=counts_of(counts),
        front=tuple(front),
        baselines=tuple(baselines),
        full=full,
        hypervolume=known.hypervolume,
        reference=study.reference_point(),
    )


def grammar_of(facts: StudyFacts) -> tuple[tuple[Objective, ...], tuple[Constraint, ...]]:
    """Objectives and constraints of a study, whatever metrics its evaluator reports."""
    from nas.objectives import parse_constraints, parse_objectives

    named = [text.split()[1] for text in facts.objectives]
    budgets = [text.split()[0] for text in facts.constraints]
    return (
        parse_objectives(facts.objectives, metrics=named),
        parse_constraints(facts.constraints, metrics=budgets),
    )


def remote_study_record(facts: StudyFacts) -> dict[str, Any]:
    """What defines a study, as far as a service tells."""
    return {
        "state": facts.state,
        "constraints": list(facts.constraints),
        "target": facts.target,
        "model": facts.model,
        "task": facts.task,
        "account": facts.account,
        "job": facts.job_id,
    }


def remote_study_facts(facts: StudyFacts, snapshot: Snapshot) -> Mapping[str, str]:
    """What defines a study, for people."""
    return {
        "state": facts.state.lower() + (", running now" if facts.is_live else ""),
        "trials": ", ".join(f"{number} {state}" for state, number in snapshot.counts.items()),
        "model": f"{facts.model or 'unknown'} ({facts.task or 'unknown'})",
        "objectives": ", ".join(facts.objectives),
        "constraints": ", ".join(facts.constraints) or "none",
        "target": facts.target or "none",
        "job": "none" if facts.job_id is None else str(facts.job_id),
    }
