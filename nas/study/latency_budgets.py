"""Budgets on latency, checked on the smallest sub-network before the search is paid for."""

from __future__ import annotations

from collections.abc import Mapping

from nas.errors import InfeasibleError
from nas.study.latencies import Latencies
from nas.study.spec import StudySpec
from search_spaces import SearchSpace
from workers import Pool


def check_budgets(
    spec: StudySpec, space: SearchSpace, baseline: Mapping[str, float], latencies: Latencies, pool: Pool
) -> None:
    """Refuse a latency budget that the smallest sub-network breaks.

    Raises:
        InfeasibleError: with what the smallest one has.
    """
    upper = [c for c in spec.latency_constraints if c.relation == "<="]
    if not upper:
        return
    smallest = space.smallest()
    record = latencies.known(smallest) or latencies.measure(smallest, pool)
    metrics = latencies.optimistic(record)
    for constraint in upper:
        if constraint.metric in metrics and constraint.violation(metrics[constraint.metric], baseline) > 0:
            reached = f"{constraint.metric} = {metrics[constraint.metric]:.3g}"
            raise InfeasibleError(
                f"no sub-network of this space can meet {str(constraint)!r}: the smallest has {reached}, "
                f"the full model {baseline[constraint.metric]:.3g}; relax the budget or widen the space",
                str(constraint),
                reached,
            )
