"""The config's defaults are those of the Python API; it can't import them, because they load torch."""

from __future__ import annotations

from inspect import signature
from typing import get_args

import pytest

from nas.config import EvaluationSection, FinetuneSection, SearchSection, TargetSection, TrainSection
from nas.config.search import SeedName
from nas.config.sections import ImportanceName, SupernetSection
from nas.errors import ConfigError
from nas.evaluation import DatasetEvaluator, Target
from nas.importance import known_importances
from nas.jobs.supernets import train_options
from nas.search.design import DEFAULT_DESIGN, initial_design
from nas.training import TrainOptions, known_strategies, train_supernet
from search_spaces.sampling import SAMPLERS


def test_the_default_target_is_the_apis():
    assert Target(**TargetSection().model_dump()) == Target()


@pytest.mark.parametrize("section", [FinetuneSection(), TrainSection()])
def test_the_settings_of_a_training_are_the_apis(section):
    assert train_options(section, seed=0) == TrainOptions()


def test_every_sampler_can_be_configured():
    sampler = TrainSection.model_fields["sampler"]
    assert set(get_args(sampler.annotation)) == set(SAMPLERS)


def test_the_default_strategy_is_the_apis():
    assert TrainSection().strategy == signature(train_supernet).parameters["strategy"].default


def test_every_importance_can_be_configured():
    assert set(get_args(ImportanceName)) == set(known_importances())


@pytest.mark.parametrize("importance", ["minitron", {"hidden": "pca_rotation", "ffn": "flap"}])
def test_an_importance_is_handed_on_as_it_was_given(importance):
    assert SupernetSection(importance=importance).methods == importance


def test_every_training_strategy_can_be_configured():
    strategy = TrainSection.model_fields["strategy"]
    assert set(get_args(strategy.annotation)) == set(known_strategies())


def test_the_settings_of_an_evaluation_are_the_apis():
    defaults = {name: field.default for name, field in DatasetEvaluator.__dataclass_fields__.items()}
    assert EvaluationSection().model_dump() == {
        name: defaults[name] for name in EvaluationSection().model_dump()
    }


def test_the_default_design_is_the_apis():
    assert SearchSection().enqueue == DEFAULT_DESIGN


def test_every_part_of_the_design_can_be_configured():
    with pytest.raises(ConfigError, match=f"allowed are {', '.join(get_args(SeedName))}"):
        initial_design(None, ["no-such-part"])
