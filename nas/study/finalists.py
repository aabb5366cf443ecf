"""What a recovery trains: members of the front, and sub-networks to compare them with."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from nas.errors import ConfigError
from nas.recovery import RecoveryOptions, keep_most
from nas.study.history import front_of, minimised, reference_point
from nas.study.trial import Trial
from nas.training import Budget
from search_spaces import SearchSpace, SubnetConfig
from storage import RECOVERY_KINDS, RecoveryKind

if TYPE_CHECKING:
    from nas.study.study import Study

#: A random sub-network is taken at once if its parameters differ by no more than this share.
CLOSE: Final = 0.02
RANDOM_TRIES: Final = 2000
BASELINES: Final = tuple(kind for kind in RECOVERY_KINDS if kind != "recovered")


@dataclass(frozen=True, kw_only=True)
class RecoveryPlan:
    """What to recover, and how.

    Attributes:
        budget: of each sub-network.
        top: finalists, the members of the front that keep most of its hypervolume.
        where: budgets that they hold besides the study's.
        baselines: `random` and `scratch`, each trained at the same cost as its finalist.
        options: of the training.
    """

    budget: Budget
    top: int = 5
    where: tuple[str, ...] = ()
    baselines: tuple[str, ...] = ()
    options: RecoveryOptions = field(default_factory=RecoveryOptions)

    def __post_init__(self) -> None:
        if self.top < 1:
            raise ConfigError(f"top is {self.top}; at least 1 sub-network must be recovered")
        for name in self.baselines:
            if name not in BASELINES:
                raise ConfigError(f"unknown baseline {name!r}; allowed are {', '.join(BASELINES)}")

    @staticmethod
    def of(
        budget: Budget,
        *,
        top: int,
        where: Sequence[str],
        baselines: Sequence[str],
        options: Mapping[str, Any],
    ) -> RecoveryPlan:
        """A plan from what a user gave; `options` are those of `RecoveryOptions` by name.

        Raises:
            ConfigError: an option that there is not, or a value that is not allowed.
        """
        known = [one.name for one in fields(RecoveryOptions)]
        for name in options:
            if name not in known:
                raise ConfigError(f"unknown option {name!r} of a recovery; allowed are {', '.join(known)}")
        return RecoveryPlan(
            budget=budget,
            top=top,
            where=tuple(where),
            baselines=tuple(dict.fromkeys(baselines)),
            options=RecoveryOptions(**options),
        )


@dataclass(frozen=True, kw_only=True)
class Job:
    """A training to be done: of a finalist, or of a baseline beside it."""

    kind: RecoveryKind
    trial: Trial
    config: SubnetConfig


def finalists_of(study: Study, plan: RecoveryPlan) -> list[Trial]:
    """Members of the front within the budgets, the full model left out; the best first.

    Raises:
        InfeasibleError: no evaluated sub-network holds the budgets.
        ConfigError: only the full model does.
    """
    full = SubnetConfig.full(study.shape).key
    within = study.select(plan.where)
    front = front_of([trial for trial in within if trial.key != full], study.objectives)
    if not front:
        raise ConfigError(
            f"study {study.name!r} has no evaluated sub-network to recover besides the full model; "
            "search longer, or relax the budgets"
        )
    values = np.array([minimised(trial.values or (), study.objectives) for trial in front])
    reference = reference_point(study.objectives, study.baseline)
    corner = values.max(axis=0) if reference is None else np.array(reference)
    return [front[row] for row in keep_most(values, corner, plan.top)]


def baseline_jobs(finalists: Sequence[Trial], plan: RecoveryPlan, space: SearchSpace) -> list[Job]:
    """The baselines of each finalist in turn.

    Raises:
        ConfigError: the space has no other sub-network left.
    """
    jobs: list[Job] = []
    taken = {trial.key for trial in finalists}
    for trial in finalists:
        if "random" in plan.baselines:
            config = random_like(trial, space, taken, seed=plan.options.training.seed)
            taken.add(config.key)
            jobs.append(Job(kind="random", trial=trial, config=config))
        if "scratch" in plan.baselines:
            jobs.append(Job(kind="scratch", trial=trial, config=trial.config))
    return jobs


def random_like(trial: Trial, space: SearchSpace, taken: Collection[str], *, seed: int) -> SubnetConfig:
    """A random sub-network with about as many parameters as a trial's.

    The first draw within 2 %, else the nearest of 2,000 draws; a function of the seed and the trial.

    Args:
        trial: a finalist.
        space: what is drawn from.
        taken: keys that may not be drawn.
        seed: of the draws.

    Raises:
        ConfigError: every draw was taken.
    """
    wanted, spec = trial.metrics["num_parameters"], trial.study.spec
    generator = np.random.default_rng([seed, int(trial.key[:8], 16)])
    nearest: tuple[float, SubnetConfig] | None = None
    for _ in range(RANDOM_TRIES):
        config = space.sample(generator)
        gap = abs(spec.costs(config)["num_parameters"] / wanted - 1)
        if config.key not in taken and (nearest is None or gap < nearest[0]):
            nearest = (gap, config)
            if gap <= CLOSE:
                break
    if nearest is None:
        raise ConfigError(
            f"the {space.kind} space has no further sub-network to compare trial {trial.number} with; leave "
            "baseline random out, or recover fewer"
        )
    return nearest[1]
