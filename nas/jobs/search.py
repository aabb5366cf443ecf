"""A search from a config."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from nas.config import SearchConfig
from nas.config.loading import anchored
from nas.data import Texts
from nas.evaluation import DatasetEvaluator
from nas.jobs.definition import (
    make_evaluator,
    make_racing,
    make_space,
    make_spec,
    make_target,
    wanted_metrics,
)
from nas.jobs.examples import Parts, load_parts
from nas.jobs.interruption import interruptible
from nas.jobs.recovery import check_recovery, recover_finalists
from nas.jobs.supernets import encoded, make_supernet
from nas.study import Profile, Study, create_study
from nas.study.control import Control
from nas.study.ledger_errors import translated
from nas.study.profile import profile
from nas.supernet import Supernet
from workers import Pool, RayPool, SerialPool

logger = logging.getLogger(__name__)


def run_search(config: SearchConfig, *, show_progress: bool = False, control: Control | None = None) -> Study:
    """Prepare model, data and supernet, and search until `search.trials`; resume what is there.

    With a section `recovery` the best are then trained and ranked anew.

    Args:
        config: of the search.
        show_progress: on standard error.
        control: commands while it runs. A halt during the search ends that in good order; before and after,
            it interrupts the work.

    Returns:
        The study, open, with its supernet.

    Raises:
        HaltedError: the work before or after the search was interrupted by a halt.
    """
    with interruptible(control):
        parts, supernet, evaluator = _prepared(config, show_progress=show_progress)
    study = open_config_study(config, supernet)
    logger.info(
        "search: %d sub-networks with %s; starting workers", config.search.trials, config.search.sampler
    )
    try:
        study.store_config(stored_form(config))
        study.optimize(
            evaluator,
            config.search.trials,
            timeout=config.search.timeout_s,
            workers=make_pool(config),
            max_failed=config.search.max_failed,
            show_progress_bar=show_progress,
            control=control,
        )
        if config.recovery is not None and not study.was_halted and not _is_halted(control):
            with interruptible(control):
                recover_finalists(study, config, evaluator, parts, show_progress=show_progress)
    except BaseException:
        study.close()
        raise
    return study


def _prepared(config: SearchConfig, *, show_progress: bool) -> tuple[Parts, Supernet, DatasetEvaluator]:
    """Data, supernet and evaluator of a config; a wrong name is told before the model is loaded."""
    wanted_metrics(config)
    make_racing(config)
    check_recovery(config)
    parts = load_parts(config.data, task=config.model.task)
    logger.info("data: %s", _described(parts))
    supernet = make_supernet(config, parts, show_progress=show_progress)
    evaluator = make_evaluator(config, encoded(config, supernet, parts.validation))
    Path(config.storage.artifacts).mkdir(parents=True, exist_ok=True)
    return parts, supernet, evaluator


def _is_halted(control: Control | None) -> bool:
    return control is not None and control().halt is not None


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
    space = make_space(config, supernet)
    with translated():
        return profile(make_spec(config, supernet, space), space)


def _described(parts: Parts) -> str:
    """How much data there is: of language models documents, of all others examples."""
    noun = "document" if isinstance(parts.validation, Texts) else "example"
    train, validation = 0 if parts.train is None else len(parts.train), len(parts.validation)
    plural = "" if validation == 1 else "s"
    classes = f", {len(parts.validation.label_names)} classes" if parts.validation.label_names else ""
    amount = f"{train:,}" if train else "no"
    return f"{amount} training and {validation:,} validation {noun}{plural}{classes}"


def stored_form(config: SearchConfig) -> dict[str, Any]:
    """A config as it is kept with its study: every key, no password, paths that hold in any folder."""
    return dict(anchored(config.resolved(), Path.cwd()))


def open_config_study(config: SearchConfig, supernet: Supernet) -> Study:
    """Create the study of a config, or take it up."""
    return create_study(
        config.name,
        supernet=supernet,
        space=make_space(config, supernet),
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
        racing=make_racing(config),
        load_if_exists=True,
        artifacts=config.storage.artifacts,
    )


def make_pool(config: SearchConfig) -> Pool:
    """The pool of a config: on this machine one worker a core, less the one that measures latency."""
    section = config.workers
    if section.kind == "serial":
        return SerialPool()
    num_workers = section.num_workers
    if num_workers is None and section.address == "local":
        num_workers = max(1, (os.cpu_count() or 1) - (0 if config.target is None else 1))
    return RayPool(num_workers, section.address, gpus_per_worker=section.gpus_per_worker)
