"""What a config defines a study by: its space, target, metrics and budgets."""

from __future__ import annotations

from nas.compensation import Compensation
from nas.config import SearchConfig
from nas.data import BatchedDataset
from nas.evaluation import DatasetEvaluator, Target
from nas.jobs.registered import target_of_config
from nas.objectives import parse_constraints, parse_objectives, quality_metrics
from nas.racing import Racing
from nas.study.creation import draft_spec
from nas.study.ledger_errors import translated
from nas.study.profile import require_feasible
from nas.study.spec import StudySpec
from nas.supernet import Supernet
from nas.tasks import task_of
from search_spaces import SearchSpace


def make_space(config: SearchConfig, supernet: Supernet) -> SearchSpace:
    """The search space of a config.

    Raises:
        ConfigError: a dimension or a value that the model does not have.
    """
    section = config.space
    with translated():
        return supernet.space(
            section.kind,
            choices=section.choices(),
            portability=section.portability,
            align=section.align,
            frozen_layers=section.frozen_layers,
            rules=section.rules,
            ffn_group=section.ffn_group,
        )


def make_target(config: SearchConfig) -> Target | None:
    """The target of a config, maybe a registered one; see `target_of_config`."""
    return target_of_config(config)


def make_compensation(config: SearchConfig) -> Compensation | None:
    """How sub-networks of a config are compensated."""
    section = config.evaluation.compensation
    return None if section is None else Compensation(**section.model_dump())


def make_spec(config: SearchConfig, supernet: Supernet, space: SearchSpace) -> StudySpec:
    """Objectives, constraints and target of a config, enough to price sub-networks.

    Raises:
        ConfigError: they do not fit each other or the model.
    """
    return draft_spec(
        supernet,
        space,
        objectives=config.objectives,
        constraints=config.constraints,
        target=make_target(config),
        metrics=config.evaluation.metrics,
    )


def make_evaluator(config: SearchConfig, validation: BatchedDataset) -> DatasetEvaluator:
    """What a config scores sub-networks with.

    Raises:
        ConfigError: a metric that is not known, or does not apply to the task.
    """
    return DatasetEvaluator(
        data=validation,
        metrics=wanted_metrics(config),
        batch_size=config.evaluation.batch_size,
        precision=config.evaluation.precision,
        compensation=make_compensation(config),
    )


def check_before_training(config: SearchConfig, supernet: Supernet) -> None:
    """Refuse what would end the search anyway, before the supernet is trained for it.

    Raises:
        ConfigError: the space, an objective, the target or an importance does not fit the model.
        UnsupportedModelError: an importance that the architecture does not allow.
        InfeasibleError: no sub-network meets the constraints on exact costs.
    """
    supernet.check_importance(config.supernet.methods)
    space = make_space(config, supernet)
    require_feasible(make_spec(config, supernet, space), space)


def named_metrics(config: SearchConfig) -> tuple[str, ...]:
    """Metrics of quality that objectives and budgets name.

    Raises:
        ConfigError: one that is not known.
    """
    given = config.evaluation.metrics
    return quality_metrics(
        parse_objectives(config.objectives, metrics=given),
        parse_constraints(config.constraints, metrics=given),
    )


def make_racing(config: SearchConfig) -> Racing | None:
    """How evaluations are stopped early, if they are.

    Raises:
        ConfigError: stages that do not rise, or a bound that does not hold for a metric.
    """
    if config.search.racing is None:
        return None
    racing = Racing(**config.search.racing.model_dump())
    racing.check_metrics(named_metrics(config))
    return racing


def wanted_metrics(config: SearchConfig) -> tuple[str, ...]:
    """Metrics to compute: those of the config or the task's own, and those that objectives and budgets name.

    Raises:
        ConfigError: one that is not known, or does not apply to the task.
    """
    task, given = task_of(config.model.task), config.evaluation.metrics
    named = named_metrics(config)
    for name in (*given, *named):
        task.metric_of(name)
    always = [name for name in named if name != "loss"]
    return tuple(dict.fromkeys([*(given or (task.metric,)), *always]))
