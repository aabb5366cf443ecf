"""Training one sub-network after pruning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from nas.data import BatchedDataset
from nas.errors import ConfigError
from nas.recovery.learner import fresh_learner, learner_of
from nas.recovery.options import RecoveryOptions
from nas.recovery.stages import shrinking_stages
from nas.supernet import Supernet
from nas.training import Budget, FixedStrategy, Teacher, TrainingReport, train_supernet
from search_spaces import SubnetConfig


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """A recovered sub-network.

    Attributes:
        config: canonical.
        weights: those that differ from the supernet's slices, by the full model's names and of the size that
            is kept; what `Supernet.active` and `Supernet.extract` take.
        report: of the training: steps, passes, examples, seconds.
    """

    config: SubnetConfig
    weights: Mapping[str, torch.Tensor] = field(repr=False)
    report: TrainingReport


def recover(
    supernet: Supernet,
    config: SubnetConfig,
    data: BatchedDataset,
    *,
    budget: Budget,
    options: RecoveryOptions | None = None,
    weights: Mapping[str, torch.Tensor] | None = None,
    from_scratch: bool = False,
    teacher: Teacher | None = None,
    checkpoint: str | Path | None = None,
    show_progress_bar: bool = False,
    progress_title: str = "recovery",
) -> Recovered:
    """Fine-tune or distil a sub-network; the supernet stays as it is.

    Args:
        supernet: where the weights come from.
        config: the sub-network.
        data: training data.
        budget: forward/backward passes or examples; the teacher's forward passes are not among them.
        options: settings.
        weights: to start from in place of slices, e.g. compensated ones.
        from_scratch: start from random weights, as a baseline.
        teacher: the supernet's full model as it is, unless given.
        checkpoint: folder to resume from and to save to now and then.
        show_progress_bar: on standard error.
        progress_title: what stands before it.

    Raises:
        ConfigError: data or a weight that does not fit, a checkpoint of another run, or starting weights
            for a schedule or baseline that has none.
        SpaceError: units that the model does not have.
    """
    settings, config = options or RecoveryOptions(), config.canonical(supernet.shape)
    _check_start(settings, has_weights=bool(weights), from_scratch=from_scratch)
    _check_budget(settings, budget)
    seed = settings.training.seed
    learner = fresh_learner(supernet, seed=seed) if from_scratch else learner_of(supernet, config, weights)
    stages = settings.stages if settings.schedule == "interleaved" else 1
    configs = shrinking_stages(config, supernet.shape, stages, layer_order=supernet.layer_order)
    if settings.distillation is None:
        teacher = None
    elif teacher is None:
        teacher = Teacher.of(supernet)
    report = train_supernet(
        learner,
        data,
        strategy=FixedStrategy(configs),
        budget=budget,
        options=settings.train_options,
        teacher=teacher,
        checkpoint=checkpoint,
        show_progress_bar=show_progress_bar,
        progress_title=progress_title,
    )
    return Recovered(config=config, weights=_changed(supernet, learner, config), report=report)


def _check_start(options: RecoveryOptions, *, has_weights: bool, from_scratch: bool) -> None:
    if has_weights and from_scratch:
        raise ConfigError("from_scratch starts from random weights, but weights were given; leave one out")
    if has_weights and options.schedule == "interleaved":
        raise ConfigError(
            "weights are those of the sub-network, but interleaved recovery starts from a larger one; "
            "leave them out, or set schedule to one_shot"
        )
    if from_scratch and (options.trainable != "all" or options.schedule != "one_shot"):
        raise ConfigError(
            f"random weights cannot be trained with trainable = {options.trainable}, schedule = "
            f"{options.schedule}; from_scratch needs all and one_shot"
        )


def _check_budget(options: RecoveryOptions, budget: Budget) -> None:
    """Refuse a budget that would end before the last stage."""
    training = options.training
    a_step = training.accumulate * (1 if budget.unit == "passes" else training.batch_size)
    if options.schedule == "interleaved" and budget.limit < options.stages * a_step:
        raise ConfigError(
            f"{budget.unit} is {budget.limit}, but {options.stages} stages need a step each, together "
            f"{options.stages * a_step}; give at least that, or fewer stages"
        )


def _changed(supernet: Supernet, learner: Supernet, config: SubnetConfig) -> dict[str, torch.Tensor]:
    """Copies of the learner's weights that are no longer the supernet's."""
    before = supernet.slices(config)
    return {
        name: after.detach().clone().contiguous()
        for name, after in learner.slices(config).items()
        if not torch.equal(after, before[name])
    }
