"""What is kept of a config, and what a recovery reads from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nas.config import FinetuneSection, RecoverySection, SearchConfig, parse_config
from nas.errors import ConfigError
from nas.jobs.recovery import check_recovery, config_of, recovery_training
from nas.jobs.search import stored_form
from nas.recovery import RecoveryOptions
from nas.training import Distillation, TrainOptions


class _Stored:
    """A study that has a config."""

    name = "tiny"

    def __init__(self, config: dict[str, Any] | None) -> None:
        self.config = config


def make_config(**changes: Any) -> SearchConfig:
    record = {
        "version": 1,
        "name": "tiny",
        "model": {"id": "owner/model", "task": "sequence-classification"},
        "data": {"train": "train.csv", "validation": "validation.csv"},
        "objectives": ["max accuracy", "min num_parameters"],
    }
    return parse_config(record | changes)


def test_a_stored_config_has_paths_that_hold_in_any_folder_and_no_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stored = stored_form(make_config(storage={"url": "postgresql://me:hunter2@host/nas"}))
    assert stored["data"]["train"] == str(tmp_path / "train.csv")
    assert stored["model"]["id"] == "owner/model"
    assert stored["storage"]["url"] == "postgresql://me:***@host/nas"


def test_a_stored_config_is_read_back_with_storage_as_it_is_now() -> None:
    config = make_config(search={"trials": 7, "timeout": "4h"}, recovery={"top": 2})
    storage = {"url": "sqlite:///here.db", "artifacts": "here"}
    read = config_of(_Stored(stored_form(config)), storage, ["recovery.passes=9"])
    assert (read.storage.url, read.storage.artifacts) == ("sqlite:///here.db", "here")
    assert (read.search.trials, read.search.timeout_s) == (7, 4 * 3600)
    assert read.recovery == RecoverySection(top=2, passes=9)


def test_without_a_section_the_defaults_count() -> None:
    read = config_of(_Stored(stored_form(make_config())), {"url": "sqlite:///nas.db", "artifacts": "a"})
    assert read.recovery == RecoverySection()


def test_a_study_without_a_config_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"call study.recover\(\) in Python"):
        config_of(_Stored(None), {"url": "sqlite:///nas.db", "artifacts": "a"})


def test_a_recovery_needs_training_data() -> None:
    with pytest.raises(ConfigError, match=r"recovery is set but data.train is not"):
        make_config(data={"validation": "validation.csv"}, recovery={})


def test_a_budget_that_is_none_is_told_before_the_search() -> None:
    check_recovery(make_config(recovery={"where": ["num_parameters <= 60M"]}))
    with pytest.raises(ConfigError, match="unknown metric"):
        check_recovery(make_config(recovery={"where": ["speed >= 3"]}))


def test_the_defaults_of_the_section_are_the_apis() -> None:
    section, options = RecoverySection(), RecoveryOptions()
    assert recovery_training(section, seed=0) == TrainOptions()
    assert section.distillation is not None
    assert Distillation(**section.distillation.model_dump()) == options.distillation
    assert (section.trainable, section.schedule, section.stages) == (
        options.trainable,
        options.schedule,
        options.stages,
    )


def test_every_setting_of_the_section_reaches_the_training() -> None:
    changes = {"batch_size": 8, "accumulate": 2, "learning_rate": 1e-3, "frozen": ("word_embeddings",)}
    training = recovery_training(RecoverySection(**changes, lora={"rank": 4}), seed=3)
    assert {name: getattr(training, name) for name in changes} == changes
    assert (training.seed, training.lora.rank) == (3, 4)
    shared = set(FinetuneSection.model_fields) - {"passes", "examples"}
    assert shared <= set(TrainOptions.__dataclass_fields__)
