"""A search from a config."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from nas.config import SearchConfig
from nas.evaluation import DatasetEvaluator, Target
from nas.jobs.examples import load_parts
from nas.jobs.supernets import encoded, make_space, make_supernet
from nas.objectives import parse_constraints, parse_objectives
from nas.study import Profile, Study, create_study
from nas.study.creation import draft_spec
from nas.study.ledger_errors import translated
from nas.study.profile import profile
from nas.supernet import Supernet
from workers import Pool, RayPool, SerialPool

logger = logging.getLogger(__name__)


def run_search(config: SearchConfig, *, show_progress: bool = False) -> Study:
    """Prepare model, data and supernet, and search until `search.trials`; resume what is there.

    Returns:
        The study, open, with its supernet.
    """
    parse_objectives(config.objectives, metrics=config.evaluation.metrics)
    parse_constraints(config.constraints, metrics=config.evaluation.metrics)
    parts = load_parts(config.data, task=config.model.task)
    logger.info(
        "data: %s training and %d validation examples%s",
        "no" if parts.train is None else f"{len(parts.train):,}",
        len(parts.validation),
        f", {len(parts.validation.label_names)} classes" if parts.validation.label_names else "",
    )
    supernet = make_supernet(config, parts, show_progress=show_progress)
    evaluator = DatasetEvaluator(
        data=encoded(config, supernet, parts.validation),
        metrics=tuple(config.evaluation.metrics),
        batch_size=config.evaluation.batch_size,
        precision=config.evaluation.precision,
    )
    Path(config.storage.artifacts).mkdir(parents=True, exist_ok=True)
    study = open_config_study(config, supernet)
    logger.info(
        "search: %d sub-networks with %s; starting workers", config.search.trials, config.search.sampler
    )
    try:
        study.optimize(
            evaluator,
            config.search.trials,
            timeout=config.search.timeout_s,
            workers=make_pool(config),
            max_failed=config.search.max_failed,
            show_progress_bar=show_progress,
        )
    except BaseException:
        study.close()
        raise
    return study


def profile_search(config: SearchConfig) -> Profile:
    """Costs over the config's space, before anything is spent; the model's head is built, nothing trained.

    Raises:
        InfeasibleError: no sub-network meets the constraints on exact costs.
    """
    supernet = Supernet.from_pretrained(
        config.model.id,
        task=config.model.task,
        num_labels=config.model.num_labels,
        revision=config.model.revision,
    )
    with translated():
        space = make_space(config, supernet)
        spec = draft_spec(
            supernet,
            space,
            objectives=config.objectives,
            constraints=config.constraints,
            target=make_target(config),
            metrics=config.evaluation.metrics,
        )
        return profile(spec, space)


def open_config_study(config: SearchConfig, supernet: Supernet) -> Study:
    """Create the study of a config, or take it up."""
    with translated():
        space = make_space(config, supernet)
    return create_study(
        config.name,
        supernet=supernet,
        space=space,
        objectives=config.objectives,
        constraints=config.constraints,
        target=make_target(config),
        storage=config.storage.url,
        sampler=config.search.sampler,
        seed=config.search.seed,
        enqueue=config.search.enqueue,
        metrics=config.evaluation.metrics,
        deterministic=config.search.deterministic,
        parallel=config.search.parallel,
        load_if_exists=True,
    )


def make_target(config: SearchConfig) -> Target | None:
    """The target of a config."""
    return None if config.target is None else Target(**config.target.model_dump())


def make_pool(config: SearchConfig) -> Pool:
    """The pool of a config; with Ray one worker a core, less the one that measures latency."""
    section = config.workers
    if section.kind == "serial":
        return SerialPool()
    spare = max(1, (os.cpu_count() or 1) - (0 if config.target is None else 1))
    return RayPool(section.num_workers or spare, section.address, gpus_per_worker=section.gpus_per_worker)
