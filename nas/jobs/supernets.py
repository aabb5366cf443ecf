"""Making the supernet of a config: load, fine-tune, rank, train; each step once, then read from disk."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import shutil
from pathlib import Path
from typing import Any, Final

from nas.compensation import add_output_biases
from nas.config import FinetuneSection, SearchConfig, TrainSection
from nas.data import BatchedDataset, Images
from nas.errors import ConfigError
from nas.jobs.bundled import published_name
from nas.jobs.definition import check_before_training, make_compensation, make_space
from nas.jobs.examples import Parts, TaskExamples
from nas.supernet import Supernet
from nas.supernet.loading import load_image_settings
from nas.tasks import Encoding, encode_for, task_of
from nas.training import Budget, Distillation, Lora, Teacher, TrainOptions, strategy_of, train_supernet
from nas.training.distributed import Cluster, train_on_ranks

logger = logging.getLogger(__name__)

#: Folders of steps on the way to a finished supernet; they go when it is saved.
STAGES: Final = ("finetune", "ranked", "training", "ranks")
#: Settings of a training that are no options of `train_supernet`'s loop.
_ELSEWHERE: Final = {"passes", "examples", "strategy", "random_subnets", "teacher", "ranks"}


def supernet_folder(config: SearchConfig) -> Path:
    """Where the supernet of a study is kept."""
    return Path(config.storage.artifacts) / config.name / "supernet"


def make_supernet(config: SearchConfig, parts: Parts, *, show_progress: bool) -> Supernet:
    """The supernet of a config, from disk if it was finished before.

    Raises:
        ConfigError: the folder holds a supernet made by other settings, or data does not fit the model.
    """
    section, folder = config.supernet, supernet_folder(config)
    if section.checkpoint is not None:
        return _from_checkpoint(section.checkpoint, folder)
    recipe = recipe_sha256(config, parts)
    if folder.exists():
        supernet = Supernet.load(folder)
        if supernet.provenance.get("recipe") != recipe:
            raise ConfigError(
                f"{folder} holds a supernet made from another model, data or settings; "
                f"delete the folder, or give the study another name than {config.name!r}"
            )
        logger.info("supernet: read from %s", folder)
        return supernet
    supernet = _ranked(config, parts, folder.parent, recipe, show_progress=show_progress)
    if section.train is not None:
        data = training_data(config, parts, supernet)
        _train(supernet, config, data, folder.parent, show_progress=show_progress)
    supernet.save(folder)
    logger.info("supernet: saved in %s", folder)
    for stage in STAGES:
        shutil.rmtree(folder.parent / stage, ignore_errors=True)
    return Supernet.load(folder)  # maps the weights, which workers of this machine then share


def _from_checkpoint(checkpoint: str, folder: Path) -> Supernet:
    """The given supernet, copied beside the study so that its sub-networks can be exported later."""
    supernet = Supernet.load(checkpoint)
    if not folder.exists():
        supernet.save(folder)
    elif Supernet.load(folder).sha256 != supernet.sha256:
        raise ConfigError(
            f"{folder} holds another supernet than {checkpoint}; delete the folder, or rename the study"
        )
    return supernet


def encoded(config: SearchConfig, supernet: Supernet, examples: TaskExamples) -> BatchedDataset:
    """Examples as the supernet's model takes them.

    Raises:
        ConfigError: the model came without a tokenizer or the settings of its images, or the data do not fit.
    """
    images = None
    if isinstance(examples, Images):
        images = load_image_settings(config.model.id, supernet.model.config, revision=config.model.revision)
    elif supernet.tokenizer is None:
        raise ConfigError(
            f"model {config.model.id!r} has no tokenizer beside it; add its files to the folder"
        )
    encoding = Encoding(
        config=supernet.model.config,
        tokenizer=supernet.tokenizer,
        images=images,
        max_length=config.data.max_length,
        max_target_length=config.data.max_target_length,
    )
    task = task_of(supernet.task)
    data = encode_for(task, examples, encoding)
    task.check(data, supernet.model.config)
    return data


def training_data(config: SearchConfig, parts: Parts, supernet: Supernet) -> BatchedDataset:
    """The training data; without any, the validation data serves for ranking only."""
    return encoded(config, supernet, parts.train if parts.train is not None else parts.validation)


def recipe_sha256(config: SearchConfig, parts: Parts) -> str:
    """Hash of everything that decides a supernet's weights."""
    record = {
        "model": config.model.model_dump(mode="json"),
        "supernet": config.supernet.model_dump(mode="json"),
        "space": config.space.identity(),
        "max_length": config.data.max_length,
        "max_target_length": config.data.max_target_length,
        "train": (parts.train or parts.validation).sha256,
        "seed": config.search.seed,
        **({"output_biases": True} if _needs_biases(config) else {}),
    }
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _ranked(
    config: SearchConfig, parts: Parts, folder: Path, recipe: str, *, show_progress: bool
) -> Supernet:
    """The fine-tuned and ranked supernet; saved, so that an interrupted training starts from the same."""
    section, saved = config.supernet, folder / "ranked"
    if saved.exists():
        supernet = Supernet.load(saved)
        if supernet.provenance.get("recipe") == recipe:
            return supernet
        shutil.rmtree(saved)
    supernet = Supernet.from_pretrained(
        config.model.id,
        task=config.model.task,
        num_labels=config.model.num_labels,
        label_names=parts.validation.label_names or None,
        revision=config.model.revision,
        seed=config.search.seed,
    )
    supernet.provenance["source"] = published_name(config.model.id)
    if _needs_biases(config):
        supernet = add_output_biases(supernet)
    check_before_training(config, supernet)
    data = training_data(config, parts, supernet)
    if section.finetune is not None:
        logger.info("fine-tuning the full model: %d passes", section.finetune.passes)
        train_supernet(
            supernet,
            data,
            strategy="standard",
            budget=_budget(section.finetune),
            options=train_options(section.finetune, config.search.seed),
            checkpoint=folder / "finetune",
            show_progress_bar=show_progress,
        )
    logger.info("ranking units by %s on %d examples", section.methods, section.calibration)
    batches = data.calibration(section.calibration, seed=config.search.seed)
    supernet.rank(section.methods, batches, seed=config.search.seed)
    supernet.provenance["recipe"] = recipe
    supernet.save(saved)
    return supernet


def _train(
    supernet: Supernet, config: SearchConfig, data: BatchedDataset, folder: Path, *, show_progress: bool
) -> None:
    section = config.supernet.train
    assert section is not None
    budget = _budget(section)
    logger.info("training the supernet: %d %s of %s", budget.limit, budget.unit, section.strategy)
    arguments: dict[str, Any] = {
        "strategy": strategy_of(section.strategy, count=section.random_subnets),
        "budget": budget,
        "space": make_space(config, supernet),
        "options": train_options(section, config.search.seed + 1),
        "checkpoint": folder / "training",
        "teacher": Teacher.of(supernet) if section.teacher == "frozen" else None,
    }
    if section.ranks == 1:
        report = train_supernet(supernet, data, show_progress_bar=show_progress, **arguments)
    else:
        cluster = Cluster(
            address=config.workers.address,
            num_ranks=section.ranks,
            gpus_per_rank=math.ceil(config.workers.gpus_per_worker),
            folder=folder / "ranks",
        )
        report = train_on_ranks(supernet, data, cluster=cluster, **arguments)
    logger.info("supernet trained: %d passes in %.0f s", report.passes, report.seconds)


def _budget(section: FinetuneSection) -> Budget:
    if section.examples is not None:
        return Budget(examples=section.examples)
    return Budget(passes=section.passes)


def train_options(section: FinetuneSection, seed: int) -> TrainOptions:
    """The settings of a training as its section gives them."""
    settings = section.model_dump(exclude=_ELSEWHERE)
    if isinstance(section, TrainSection):
        settings["lora"] = Lora(**section.lora.model_dump())
        settings["distillation"] = Distillation(**section.distillation.model_dump())
    return TrainOptions(seed=seed, **settings)


def _needs_biases(config: SearchConfig) -> bool:
    """Whether compensation writes biases, which the model then gets before anything is trained."""
    compensation = make_compensation(config)
    return compensation is not None and compensation.needs_biases
