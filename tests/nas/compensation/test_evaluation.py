"""Candidates of a search are compensated as an export is."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import nas
from nas.compensation import Compensation, Compensator
from nas.config import load_config
from nas.config.sections import CompensationSection
from nas.config.template import template
from nas.data import EncodedDataset
from nas.data.dataset import offsets_of
from nas.errors import ConfigError
from nas.evaluation import DatasetEvaluator, ScoreEvaluator, arrays_of, skeleton_of
from nas.evaluation.dataset import evaluate
from nas.jobs.definition import make_compensation
from nas.study.compensating import compensated_weights
from nas.supernet import Supernet
from search_spaces import LayerUnits, SubnetConfig

MakeSupernet = Callable[..., Supernet]
LSTSQ = Compensation(units="lstsq", layers="linear_fit", examples=48)


@pytest.fixture(scope="module")
def data() -> EncodedDataset:
    """Sixty labelled rows of 3 to 12 tokens."""
    generator = np.random.default_rng(0)
    lengths = generator.integers(3, 13, 60)
    return EncodedDataset(
        tokens=generator.integers(5, 40, lengths.sum()).astype(np.int32),
        offsets=offsets_of(lengths),
        token_types=None,
        labels=generator.integers(0, 3, 60),
        label_names=("a", "b", "c"),
        max_length=20,
        pad_token_id=1,
        padding_side="right",
    )


@pytest.fixture(scope="module")
def half() -> SubnetConfig:
    """Half of the neurons, two of three heads, and a block less."""
    layers = (LayerUnits(heads=2, ffn=10), LayerUnits(heads=(0, 2), ffn=10), None)
    return SubnetConfig(hidden=24, layers=layers)


def worker_of(evaluator: Any, supernet: Supernet) -> Any:
    """What a worker in another process builds."""
    factory = pickle.loads(pickle.dumps(evaluator.prepare(supernet).factory(skeleton_of(supernet))))
    return factory(arrays_of(supernet))


def test_a_worker_scores_the_compensated_sub_network(
    make_supernet: MakeSupernet, data: EncodedDataset, half: SubnetConfig
) -> None:
    supernet = make_supernet()
    evaluator = DatasetEvaluator(data=data, precision="float32", compensation=LSTSQ)
    found = worker_of(evaluator, supernet)(half.to_json()).metrics
    weights = Compensator(supernet, LSTSQ).weights(half)
    assert found["loss"] == pytest.approx(evaluate(supernet, half, data, weights=weights)["loss"], rel=1e-5)
    assert found["loss"] != pytest.approx(evaluate(supernet, half, data)["loss"], rel=1e-3)


def test_a_later_stage_takes_the_weights_of_the_earlier_one(
    make_supernet: MakeSupernet, data: EncodedDataset, half: SubnetConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = worker_of(DatasetEvaluator(data=data, precision="float32", compensation=LSTSQ), make_supernet())
    worker({**half.to_json(), "examples": [0, 20]})

    def fail(*_: Any) -> Any:
        raise AssertionError("the weights were computed again")

    monkeypatch.setattr(Compensator, "_weights", fail)
    assert worker({**half.to_json(), "examples": [20, 60]}).examples == 40


def test_workers_merge_units_in_the_order_of_the_pretrained_model(
    make_supernet: MakeSupernet, data: EncodedDataset, half: SubnetConfig
) -> None:
    supernet = make_supernet()
    supernet.rank({"ffn": "random", "heads": "random"}, seed=3)
    merge = Compensation(units="none", layers="merge")
    found = worker_of(DatasetEvaluator(data=data, precision="float32", compensation=merge), supernet)(
        half.to_json()
    )
    weights = Compensator(supernet, merge).weights(half)
    expected = evaluate(supernet, half, data, weights=weights)["loss"]
    assert found.metrics["loss"] == pytest.approx(expected, rel=1e-5)


def test_a_score_function_sees_the_compensated_weights(
    make_supernet: MakeSupernet, half: SubnetConfig
) -> None:
    supernet = make_supernet()

    def largest(model: Any) -> float:
        return float(model.bert.encoder.layer[0].output.dense.weight.abs().max())

    scores = [
        worker_of_function(ScoreEvaluator(score=largest, compensation=compensation), supernet, half)
        for compensation in (None, LSTSQ)
    ]
    name = "bert.encoder.layer.0.output.dense.weight"
    assert scores[0] == pytest.approx(float(supernet.slices(half)[name].abs().max()))
    assert scores[1] == pytest.approx(float(Compensator(supernet, LSTSQ).weights(half)[name].abs().max()))


def worker_of_function(evaluator: ScoreEvaluator, supernet: Supernet, config: SubnetConfig) -> float:
    """Functions of a test cannot be pickled."""
    worker = evaluator.prepare(supernet).factory(skeleton_of(supernet))(arrays_of(supernet))
    return worker(config.to_json()).metrics["score"]


def test_results_with_and_without_compensation_are_never_mixed(
    make_supernet: MakeSupernet, data: EncodedDataset, tiny_batch: Any
) -> None:
    supernet = make_supernet()
    hashes = {
        DatasetEvaluator(data=data, precision="float32", compensation=compensation).prepare(supernet).sha256
        for compensation in (None, LSTSQ, Compensation(units="lstsq"), Compensation(units="bias"))
    }
    supernet.calibrate([tiny_batch(16, seed=9)])
    other = DatasetEvaluator(data=data, precision="float32", compensation=LSTSQ).prepare(supernet).sha256
    assert len(hashes | {other}) == 5


def test_no_compensation_is_that_of_slices(make_supernet: MakeSupernet, data: EncodedDataset) -> None:
    supernet = make_supernet()
    plain = DatasetEvaluator(data=data, precision="float32").prepare(supernet)
    empty = DatasetEvaluator(data=data, precision="float32", compensation=Compensation(units="none"))
    assert empty.prepare(supernet).sha256 == plain.sha256
    assert "compensation" not in empty.prepare(supernet).describe()


def test_the_method_and_its_passes_are_described(make_supernet: MakeSupernet, data: EncodedDataset) -> None:
    evaluator = DatasetEvaluator(data=data, precision="float32", compensation=LSTSQ)
    record = evaluator.prepare(make_supernet()).describe()["compensation"]
    assert (record["units"], record["layers"], record["examples"]) == ("lstsq", "linear_fit", 48)
    assert (record["passes"], record["passes_a_run_of_layers"]) == (3, 3)
    assert json.loads(json.dumps(record)) == record


def test_a_supernet_without_calibration_data_is_refused_before_the_search(
    make_supernet: MakeSupernet, data: EncodedDataset
) -> None:
    supernet = make_supernet()
    supernet.calibrate([])
    with pytest.raises(ConfigError, match="calibration data"):
        DatasetEvaluator(data=data, precision="float32", compensation=LSTSQ).prepare(supernet)


def test_the_config_has_the_apis_defaults() -> None:
    assert Compensation(**CompensationSection().model_dump()) == Compensation()


def test_a_ranked_supernet_remembers_its_data_when_it_is_saved(
    make_supernet: MakeSupernet, tiny_batch: Any, tmp_path: Path, half: SubnetConfig
) -> None:
    supernet = make_supernet()
    supernet.rank("minitron", [tiny_batch(8, seed=4), tiny_batch(8, seed=5)])
    again = Supernet.load(supernet.save(tmp_path / "supernet"))
    assert again.file is not None  # still known as the file of the weights
    assert len(again.calibration) == 2
    for layers in ("linear_fit", "merge"):
        method = Compensation(layers=layers)
        expected = Compensator(supernet, method).weights(half)
        found = Compensator(again, method).weights(half)
        assert expected.keys() == found.keys()
        for name, weight in expected.items():
            torch.testing.assert_close(found[name], weight, rtol=1e-3, atol=1e-4)  # sums in another order


@pytest.fixture
def study(make_supernet: MakeSupernet, data: EncodedDataset, tmp_path: Path) -> Any:
    """A finished search over compensated candidates."""
    supernet = make_supernet()
    choices = {
        "num_hidden_layers": [2, 3],
        "num_attention_heads": [3],
        "intermediate_size": [10, 20],
        "hidden_size": [24],
    }
    space = supernet.space("uniform", choices=choices)
    with nas.create_study(
        "tiny",
        supernet=supernet,
        space=space,
        objectives=("min loss", "min num_parameters"),
        storage=f"sqlite:///{tmp_path / 'nas.db'}",
    ) as study:
        evaluator = DatasetEvaluator(data=data, precision="float32", compensation=LSTSQ)
        study.optimize(evaluator, n_trials=4)
        yield study


def cut_trial(study: Any) -> Any:
    """The evaluated trial with the fewest parameters."""
    return min(
        (trial for trial in study.trials if trial.values is not None),
        key=lambda trial: trial.metrics["num_parameters"],
    )


@pytest.mark.slow  # the export is proven in a fresh process
def test_an_exported_trial_scores_what_the_search_saw(
    study: Any, data: EncodedDataset, tmp_path: Path
) -> None:
    trial = cut_trial(study)
    assert trial.metrics["loss"] != pytest.approx(evaluate(study.supernet, trial.config, data)["loss"])
    report = trial.export(tmp_path / "out")
    assert report.portability == "plain"
    exported = Supernet.from_pretrained(tmp_path / "out")
    assert evaluate(exported, exported.full, data)["loss"] == pytest.approx(trial.metrics["loss"], rel=1e-5)
    record = json.loads((tmp_path / "out" / "nas.json").read_text())
    assert record["data"]["compensation"]["units"] == "lstsq"


def test_other_calibration_data_than_the_searchs_are_refused(study: Any, tiny_batch: Any) -> None:
    trial, supernet = cut_trial(study), study.supernet
    assert compensated_weights(study, trial, supernet)
    supernet.calibrate([tiny_batch(16, seed=9)])
    with pytest.raises(ConfigError, match="other calibration data"):
        compensated_weights(study, trial, supernet)


def test_a_config_names_the_method(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(template("quick"), encoding="utf-8")
    assert make_compensation(load_config(path, environ={})) is None
    overrides = ["evaluation.compensation={units: bias, layers: merge}"]
    config = load_config(path, overrides=overrides, environ={})
    assert make_compensation(config) == Compensation(units="bias", layers="merge")
