"""Training a supernet: what users call, and what they get back."""

from __future__ import annotations

import math
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nas.data import BatchedDataset
from nas.errors import ConfigError
from nas.progress import Progress, progress_bar
from nas.supernet import Supernet
from nas.tasks import task_of
from nas.training.budget import Budget
from nas.training.loop import Loop, Plan
from nas.training.modes import deterministic, gradient_checkpointing
from nas.training.options import TrainOptions
from nas.training.ranks import ALONE, Ranks
from nas.training.registry import strategy_of
from nas.training.strategy import Strategy
from nas.training.teacher import Teacher
from nas.training.trainable import training_weights
from search_spaces import SearchSpace, SpaceError, sampler_of


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingReport:
    """What a training run did.

    Attributes:
        strategy: its name.
        steps: optimiser steps, those of an earlier, interrupted run included.
        passes: forward/backward passes.
        examples: examples seen, once a pass.
        teacher_passes: forward passes of a frozen teacher, which no budget counts.
        full_loss: mean label loss of the step's first pass, which is the full network's or, where a strategy
            does not train it in each step, a sub-network's; over the last tenth of the steps made here.
        seconds: wall time of this call.
        resumed_at: step that this call began at.
    """

    strategy: str
    steps: int
    passes: int
    examples: int
    teacher_passes: int
    full_loss: float
    seconds: float
    resumed_at: int


def train_supernet(
    supernet: Supernet,
    data: BatchedDataset,
    *,
    strategy: str | Strategy = "random",
    budget: Budget,
    space: SearchSpace | None = None,
    options: TrainOptions | None = None,
    checkpoint: str | Path | None = None,
    teacher: Teacher | None = None,
    ranks: Ranks = ALONE,
    show_progress_bar: bool = False,
    progress_title: str = "training",
) -> TrainingReport:
    """Train a supernet's weights in place.

    Args:
        supernet: rank it first, so that sub-networks keep its best units.
        data: labelled training data.
        strategy: which sub-networks each step trains.
        budget: forward/backward passes, or examples.
        space: sub-networks to sample; the uniform space unless given.
        options: settings.
        checkpoint: folder to resume from and to save to now and then.
        teacher: a frozen model that every pass learns from, in place of the full network of the same step.
        ranks: this process among those that train together; see `nas.training.distributed`.
        show_progress_bar: on standard error.
        progress_title: what stands before it.

    Raises:
        ConfigError: labels that do not fit the model, a teacher that does not fit it, or a checkpoint of
            another run.
    """
    settings = options or TrainOptions()
    task_of(supernet.task).check(data, supernet.model.config)
    if teacher is not None:
        teacher.check(supernet, hidden=settings.distillation.hidden > 0)
    plan = Plan(
        data=data,
        strategy=strategy_of(strategy) if isinstance(strategy, str) else strategy,
        budget=budget,
        space=space or supernet.space("uniform"),
        options=settings,
        teacher=teacher,
        ranks=ranks,
    )
    _check_sampler(plan)
    folder = Path(checkpoint) if checkpoint is not None else None
    with progress_bar(progress_title, enabled=show_progress_bar) as progress:
        return _train(supernet, plan, folder, progress)


def _train(supernet: Supernet, plan: Plan, folder: Path | None, progress: Progress) -> TrainingReport:
    start, fingerprint = time.monotonic(), plan.fingerprint(supernet)
    model, options = supernet.model, plan.options
    with ExitStack() as modes:
        modes.enter_context(deterministic(enabled=options.deterministic))
        modes.enter_context(gradient_checkpointing(model, enabled=options.gradient_checkpointing))
        modes.callback(model.train, mode=False)
        weights = modes.enter_context(training_weights(supernet, options))
        loop = Loop(supernet, plan, weights)
        first = loop.resume(folder, fingerprint)
        losses = loop.steps(first, folder, fingerprint, progress)
    tail = losses[-max(1, len(losses) // 10) :]
    report = TrainingReport(
        strategy=plan.strategy.name,
        steps=loop.num_steps,
        passes=loop.spent.passes,
        examples=loop.spent.examples,
        teacher_passes=loop.spent.teacher_passes,
        full_loss=float(np.mean(tail)) if tail else math.nan,
        seconds=time.monotonic() - start,
        resumed_at=first,
    )
    _note(supernet, plan, report)
    return report


def _check_sampler(plan: Plan) -> None:
    name = plan.options.sampler
    try:
        sampler_of(name, plan.space)
    except SpaceError as error:
        raise ConfigError(str(error)) from error
    if name != "uniform" and not plan.strategy.uses_sampler:
        raise ConfigError(
            f"sampler is {name}, but strategy {plan.strategy.name} draws nothing from a sampler; leave it out"
        )


def _note(supernet: Supernet, plan: Plan, report: TrainingReport) -> None:
    """Add the run to the supernet's provenance, which a study stores."""
    before: dict[str, Any] = supernet.provenance.get("training", {})
    spent = {name: getattr(report, name) for name in ("passes", "examples", "teacher_passes")}
    supernet.provenance["training"] = {
        "strategy": report.strategy,
        "steps": report.steps,
        **spent,
        "sampler": plan.options.sampler,
        "trainable": plan.options.trainable,
        "total": {name: before.get("total", {}).get(name, 0) + count for name, count in spent.items()},
    }
