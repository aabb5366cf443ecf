"""What a study makes of a sampler's proposals, and how a sampler sees a study's trials.

Functions of the study's definition and of the ledger alone: a session and a replay share them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import numpy as np

from nas.search import Proposer, Twin
from nas.study.latency_floors import with_predictions
from nas.study.spec import StudySpec
from search_spaces import SearchSpace, SpaceError, SubnetConfig
from storage import Proposal, TrialRecord, TrialState

FULL_MODEL: Final = "baseline:full"
RANDOM: Final = "sampler:random"
#: Draws after which no further sub-network within budget is looked for.
RANDOM_TRIES: Final = 2000


def make_proposer(spec: StudySpec, space: SearchSpace, name: str) -> Proposer:
    """The study's sampler before it was told anything."""
    return Proposer(
        space,
        spec.objectives,
        sampler=spec.sampler,
        seed=spec.seed,
        name=name,
        is_affordable=partial(is_affordable, spec),
        costs=spec.costs,
    )


def twin_of(
    spec: StudySpec, trial: Proposal | TrialRecord, baseline: Mapping[str, float], *, is_open: bool
) -> Twin:
    """A trial as the sampler sees it, with the budgets that can be judged by `baseline`."""
    parameters = {name: int(value) for name, value in trial.parameters.items()}
    if is_open or not parameters:
        return Twin(
            parameters=parameters, attributes=trial.sampler_attributes, is_open=is_open, key=trial.key
        )
    metrics = with_predictions({**trial.costs, **(trial.metrics or {})})
    names = [objective.metric for objective in spec.objectives]
    is_measured = trial.metrics is not None and all(name in metrics for name in names)
    # A repeated proposal over budget is told again, as the first one was.
    is_told = is_measured or (
        trial.state is not TrialState.FAILED and bool(broken_budgets(spec, trial.costs))
    )
    constraints = spec.constraints if is_measured else spec.exact_constraints
    known = [c for c in constraints if not c.relative_to_baseline or c.metric in baseline]
    return Twin(
        parameters=parameters,
        attributes=trial.sampler_attributes,
        key=trial.key,
        values=tuple(metrics[name] for name in names) if is_measured else None,
        violations=spec.violations(metrics, baseline, known) if is_told else None,
    )


def is_affordable(spec: StudySpec, config: SubnetConfig) -> bool:
    """Whether a sub-network keeps all budgets on exact costs."""
    return not spec.exact_constraints or not broken_budgets(spec, spec.costs(config))


def broken_budgets(spec: StudySpec, costs: Mapping[str, float]) -> dict[str, float]:
    """Budgets on exact costs that do not hold, and how far."""
    violations = spec.violations(costs, spec.full_costs, spec.exact_constraints)
    return {name: violation for name, violation in violations.items() if violation > 0}


def standing(
    spec: StudySpec, costs: Mapping[str, float], origin: str, *, is_repeated: bool
) -> tuple[TrialState, str | None]:
    """State that a sub-network is proposed in, and why it is infeasible if it is."""
    if is_repeated:
        return TrialState.DUPLICATE, None
    broken = broken_budgets(spec, costs)
    if broken and origin != FULL_MODEL:
        return TrialState.INFEASIBLE, f"breaks {next(iter(broken))}"
    return TrialState.PROPOSED, None


def drawn_at_random(
    spec: StudySpec, space: SearchSpace, count: int, *, number: int, is_known: Callable[[str], bool]
) -> list[SubnetConfig]:
    """Unknown sub-networks within budget, at most `count`, for the trials from `number` on."""
    generator = np.random.default_rng([spec.seed, number])
    drawn: dict[str, SubnetConfig] = {}
    for _ in range(RANDOM_TRIES):
        if len(drawn) == count:
            break
        config = space.sample(generator)
        if not is_known(config.key) and config.key not in drawn and is_affordable(spec, config):
            drawn[config.key] = config
    return list(drawn.values())


def encoded(space: SearchSpace, config: SubnetConfig) -> dict[str, int]:
    """Flat parameters; none of the full model where the space does not hold it."""
    try:
        return space.encode(config)
    except SpaceError:
        return {}
