"""Creating, finding and refusing studies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import nas
from nas import Target
from nas.data import EncodedDataset
from nas.data.dataset import offsets_of
from nas.study import Study
from nas.supernet import Supernet
from search_spaces import KINDS, SearchSpace
from storage import StudyState

MakeStudy = Callable[..., Study]


def test_a_new_study_is_queued_and_empty(make_study: MakeStudy) -> None:
    study = make_study()
    assert study.state is StudyState.QUEUED
    assert study.trials == []
    assert study.best_trials == []
    assert study.hypervolume is None


def test_a_name_is_taken_once(make_study: MakeStudy) -> None:
    make_study()
    with pytest.raises(nas.ConfigError, match="study 'tiny' exists: resume it, delete it"):
        make_study()


def test_an_existing_study_is_taken_up_where_that_is_asked_for(make_study: MakeStudy, wave: Any) -> None:
    make_study().optimize(wave, 3)
    again = make_study(load_if_exists=True)
    assert len([t for t in again.trials if t.values]) == 3


def test_load_if_exists_creates_a_study_where_there_is_none(make_study: MakeStudy) -> None:
    assert make_study(load_if_exists=True).state is StudyState.QUEUED


def other_weights(make_supernet: Callable[..., Supernet]) -> dict[str, Any]:
    other = make_supernet()
    with torch.no_grad():
        next(other.model.parameters()).view(-1)[0] += 1e-6
    return {"supernet": other}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"objectives": ("max accuracy", "min macs")}, "objectives"),
        ({"constraints": ("macs <= 0.9 * baseline",)}, "constraints"),
        ({"space": "layer"}, "space"),
        ({"target": Target.local(sequence_length=16)}, "target"),
        ({"sampler": "nsga2"}, "search"),
        ({"seed": 1}, "search"),
        ({"enqueue": ("full",)}, "search"),
        ({"deterministic": True}, "search"),
        ({"objectives": ("max f1",), "space": "medium"}, "space and objectives"),
    ],
)
def test_other_settings_are_refused_by_name(
    make_study: MakeStudy, changes: dict[str, Any], named: str
) -> None:
    make_study()
    with pytest.raises(nas.ConfigError, match=f"study 'tiny' exists with another {named}; results would"):
        make_study(load_if_exists=True, **changes)


def test_one_changed_weight_is_refused(make_study: MakeStudy, make_supernet: Callable[..., Supernet]) -> None:
    make_study()
    with pytest.raises(nas.ConfigError, match="exists with another supernet"):
        make_study(load_if_exists=True, **other_weights(make_supernet))


def test_the_batch_size_belongs_to_a_deterministic_study_alone(make_study: MakeStudy) -> None:
    make_study("batches", deterministic=True, parallel=4)
    with pytest.raises(nas.ConfigError, match="another search"):
        make_study("batches", deterministic=True, parallel=2, load_if_exists=True)
    make_study("steady", parallel=4)
    make_study("steady", parallel=2, load_if_exists=True)


def test_other_evaluation_data_is_refused(make_study: MakeStudy) -> None:
    def evaluator(label: int) -> nas.DatasetEvaluator:
        data = EncodedDataset(
            tokens=np.arange(5, 25, dtype=np.int32),
            offsets=offsets_of(np.full(4, 5)),
            token_types=None,
            labels=np.array([0, 1, 1, label]),
            label_names=("no", "yes"),
            max_length=5,
            pad_token_id=0,
            padding_side="right",
        )
        return nas.DatasetEvaluator(data=data, precision="float32")

    study = make_study()
    study.optimize(evaluator(0), 2)
    study.optimize(evaluator(0), 3)
    with pytest.raises(nas.ConfigError, match=r"run with another evaluator \(data, metrics or precision\)"):
        study.optimize(evaluator(1), 4)
    assert study.state is StudyState.COMPLETED


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampler": "cmaes"}, "unknown sampler 'cmaes'; allowed are nsga2, nsga3, tpe"),
        ({"parallel": 0}, "parallel is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"name": ""}, "study name ''"),
        ({"name": "a\0b"}, "printable characters"),
        ({"name": "x" * 201}, "1 to 200 printable"),
        ({"enqueue": ("ful",)}, r"unknown part 'ful'.*did you mean full\?"),
        ({"space": "smal"}, "unknown space 'smal'"),
        ({"objectives": ()}, "objective"),
        ({"objectives": ("max acuracy",)}, r"did you mean accuracy\?"),
        ({"objectives": ("min latency_ms",)}, "latency_ms needs a target"),
        ({"target": Target.local(sequence_length=99)}, "sequence_length 99; the model takes at most 24"),
        ({"storage": "nas.db"}, "database URL 'nas.db'"),
    ],
)
def test_settings_that_are_not_allowed_are_refused_before_anything_is_stored(
    make_study: MakeStudy, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(nas.ConfigError, match=message):
        make_study(**options)
    assert make_study().state is StudyState.QUEUED


def test_the_space_of_another_model_is_refused(
    make_study: MakeStudy, make_supernet: Callable[..., Supernet]
) -> None:
    with pytest.raises(nas.ConfigError, match="made for a model of another shape"):
        make_study(space=make_supernet(num_hidden_layers=2).space("uniform"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_stored_study_finds_its_space_again(
    make_study: MakeStudy, supernet: Supernet, url: str, wave: Any, kind: str
) -> None:
    make_study(space=kind).optimize(wave, 2)
    with nas.load_study("tiny", storage=url, supernet=supernet) as study:
        study.optimize(wave, 4)
        assert sum(trial.values is not None for trial in study.trials) == 4


def test_a_space_with_choices_is_found_again(
    make_study: MakeStudy, supernet: Supernet, twelve: SearchSpace, url: str
) -> None:
    make_study(space=twelve)
    with nas.load_study("tiny", storage=url, supernet=supernet) as study:
        assert study.profile().cardinality == 12


def test_a_space_with_limits_is_found_again(make_study: MakeStudy, supernet: Supernet, url: str) -> None:
    limits = {"align": 8, "frozen_layers": [1], "rules": ["num_hidden_layers <= 2"]}
    space = supernet.space("medium", choices={"hidden_size": [16, 32]}, **limits)
    make_study(space=space)
    with nas.load_study("tiny", storage=url, supernet=supernet) as study:
        assert study.spec.space == space.to_json()
        assert study.profile().cardinality == space.cardinality


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"])
def test_no_sub_network_that_breaks_a_rule_is_evaluated(
    make_study: MakeStudy, supernet: Supernet, wave: Any, sampler: str
) -> None:
    space = supernet.space("medium", rules=["num_hidden_layers == 2", "layers.0.num_attention_heads >= 2"])
    study = make_study(space=space, sampler=sampler)
    study.optimize(wave, 12)
    evaluated = [t for t in study.trials if t.values is not None and t.origin != "baseline:full"]
    assert len(evaluated) == 11
    assert all(trial.config in space for trial in evaluated)


def test_without_its_supernet_a_study_can_be_read_but_not_run(
    make_study: MakeStudy, url: str, wave: Any
) -> None:
    make_study().optimize(wave, 3)
    with nas.load_study("tiny", storage=url) as study:
        assert len(study.best_trials) >= 1
        for act in (lambda: study.optimize(wave, 4), study.ask, study.profile):
            with pytest.raises(nas.ConfigError, match=r"pass supernet= to load_study"):
                act()


def test_another_supernet_is_refused_at_loading(
    make_study: MakeStudy, make_supernet: Callable[..., Supernet], url: str
) -> None:
    make_study()
    with pytest.raises(nas.ConfigError, match="another supernet"):
        nas.load_study("tiny", storage=url, **other_weights(make_supernet))


def test_an_unknown_study_is_told_with_those_that_are_there(make_study: MakeStudy, url: str) -> None:
    make_study()
    with pytest.raises(nas.StudyNotFoundError, match="no study 'tyni' is stored; stored studies: tiny"):
        nas.load_study("tyni", storage=url)


def test_a_deleted_study_leaves_its_measurements(make_study: MakeStudy, url: str, counted: Any) -> None:
    make_study().optimize(counted.evaluator, 4)
    nas.delete_study("tiny", storage=url)
    with pytest.raises(nas.StudyNotFoundError):
        nas.load_study("tiny", storage=url)
    make_study().optimize(counted.evaluator, 4)
    assert len(counted.calls) == 4


def test_a_study_in_use_is_not_deleted(make_study: MakeStudy, url: str) -> None:
    make_study().ask()
    with pytest.raises(nas.StorageError, match="is held by"):
        nas.delete_study("tiny", storage=url)
