"""Recovering the finalists of a search from its config."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nas.config import FinetuneSection, RecoverySection, SearchConfig, apply_overrides, parse_config
from nas.errors import ConfigError
from nas.evaluation import Evaluator
from nas.jobs.definition import make_evaluator
from nas.jobs.examples import Parts, load_parts
from nas.jobs.studies import open_study
from nas.jobs.supernets import encoded
from nas.objectives import parse_constraints
from nas.study import RecoveryReport, Study
from nas.training import Budget, Distillation, Lora, TrainOptions

logger = logging.getLogger(__name__)

_BUDGET = ("passes", "examples")


def recover_study(
    name: str,
    *,
    url: str,
    artifacts: str | Path,
    overrides: Sequence[str] = (),
    show_progress: bool = False,
) -> tuple[Study, RecoveryReport]:
    """Recover finalists of a stored study by the config that it was run with.

    Args:
        name: of the study.
        url: of its database.
        artifacts: folder that holds its supernet.
        overrides: texts such as `recovery.top=3`, set in the stored config.
        show_progress: on standard error.

    Returns:
        The study, open, and what came of it.

    Raises:
        ConfigError: the study was not run from a config, or an override is not allowed.
        InfeasibleError: no evaluated sub-network holds the budgets.
    """
    study = open_study(name, url=url, artifacts=artifacts, with_supernet=True)
    try:
        config = config_of(study, {"url": url, "artifacts": str(artifacts)}, overrides)
        parts = load_parts(config.data, task=config.model.task)
        assert study.supernet is not None
        evaluator = make_evaluator(config, encoded(config, study.supernet, parts.validation))
        report = recover_finalists(study, config, evaluator, parts, show_progress=show_progress)
    except BaseException:
        study.close()
        raise
    return study, report


def config_of(study: Study, storage: Mapping[str, str], overrides: Sequence[str] = ()) -> SearchConfig:
    """The config that a study was last run with, a recovery in it; storage is where it lies now.

    Raises:
        ConfigError: it was not run from a config, or an override is not allowed.
    """
    stored = study.config
    if stored is None:
        raise ConfigError(
            f"study {study.name!r} was not run by `nas search run` of this version, so its data are not "
            "known; run its config once more, which repeats nothing, or call study.recover() in Python"
        )
    document: dict[str, Any] = {**stored, "storage": dict(storage)}
    document["recovery"] = document.get("recovery") or {}
    return parse_config(apply_overrides(document, overrides))


def recover_finalists(
    study: Study, config: SearchConfig, evaluator: Evaluator, parts: Parts, *, show_progress: bool = False
) -> RecoveryReport:
    """Recover as the config's section says, or by its defaults."""
    section, supernet = config.recovery or RecoverySection(), study.supernet
    assert supernet is not None
    if parts.train is None:
        raise ConfigError("recovery trains sub-networks, but data.train is not set; name training data")
    budget = _budget(section)
    logger.info("recovery: the best %d with %d %s each", section.top, budget.limit, budget.unit)
    distillation = section.distillation
    return study.recover(
        encoded(config, supernet, parts.train),
        budget=budget,
        top=section.top,
        where=section.where,
        baselines=section.baselines,
        evaluator=evaluator,
        show_progress_bar=show_progress,
        trainable=section.trainable,
        schedule=section.schedule,
        stages=section.stages,
        distillation=None if distillation is None else Distillation(**distillation.model_dump()),
        training=recovery_training(section, config.search.seed),
    )


def check_recovery(config: SearchConfig) -> None:
    """Refuse, before the search, budgets that finalists could not be chosen by.

    Raises:
        ConfigError: one that is no budget, or names an unknown metric.
    """
    if config.recovery is not None:
        parse_constraints(config.recovery.where, metrics=config.evaluation.metrics)


def recovery_training(section: RecoverySection, seed: int) -> TrainOptions:
    """The settings of a training that a recovery shares with others."""
    shared = set(FinetuneSection.model_fields).difference(_BUDGET)
    lora = Lora(**section.lora.model_dump())
    return TrainOptions(seed=seed, lora=lora, **section.model_dump(include=shared))


def _budget(section: RecoverySection) -> Budget:
    return Budget(passes=section.passes) if section.examples is None else Budget(examples=section.examples)
