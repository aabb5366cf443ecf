"""Quality on data: the same figures as a plain loop over the extracted model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

import nas
from nas.data import EncodedDataset
from nas.evaluation import DatasetEvaluator, precision
from nas.evaluation.dataset import predict
from nas.evaluation.precision import choose_precision
from nas.supernet import Supernet
from search_spaces import SubnetConfig

WorkerOf = Callable[[Any, Supernet], Any]


def plain_logits(supernet: Supernet, config: SubnetConfig, data: EncodedDataset) -> torch.Tensor:
    """One example after another, without padding, through a model of its own."""
    model = supernet.extract(config)
    with torch.no_grad():
        rows = [model(**data.batch([index]).inputs).logits for index in range(len(data))]
    return torch.cat(rows)


def test_accuracy_and_loss_are_those_of_a_plain_loop_over_the_extracted_model(
    supernet: Supernet, data: EncodedDataset, mixed: SubnetConfig, worker_of: WorkerOf
) -> None:
    evaluator = DatasetEvaluator(data=data, metrics=("accuracy",), batch_size=7, precision="float32")
    quality = worker_of(evaluator, supernet)(mixed.to_json())
    ordered = data.take(evaluator.order)
    logits, labels = plain_logits(supernet, mixed, ordered), torch.tensor(ordered.labels)
    assert quality.metrics["accuracy"] == (logits.argmax(-1) == labels).double().mean().item()
    assert quality.metrics["loss"] == pytest.approx(functional.cross_entropy(logits, labels).item(), abs=1e-5)
    assert quality.examples == len(data)
    np.testing.assert_allclose(
        quality.outcome.predictions, logits, atol=1e-5
    )  # other batches, other rounding


def test_a_regression_has_the_mean_squared_error_as_its_loss(
    make_supernet: Callable[..., Supernet], make_data: Callable[..., EncodedDataset], worker_of: WorkerOf
) -> None:
    net = make_supernet(num_labels=1, problem_type="regression")
    supernet = Supernet(net.model, task="regression")
    data = make_data([float(value) for value in np.random.default_rng(0).normal(size=12)])
    quality = worker_of(DatasetEvaluator(data=data, precision="float32"), supernet)(supernet.full.to_json())
    outputs = plain_logits(supernet, supernet.full, data).squeeze(-1)
    expected = functional.mse_loss(outputs, torch.tensor(data.labels)).item()
    assert quality.metrics["loss"] == pytest.approx(expected, rel=1e-4)


def test_outputs_are_in_the_order_of_the_data_whatever_the_batches(
    supernet: Supernet, data: EncodedDataset, mixed: SubnetConfig
) -> None:
    small = predict(supernet, mixed, data, batch_size=3)
    large = predict(supernet, mixed, data, batch_size=50)
    np.testing.assert_allclose(small, large, atol=1e-5)


def test_the_tasks_default_metric_is_taken_where_none_is_named(
    supernet: Supernet, data: EncodedDataset
) -> None:
    prepared = DatasetEvaluator(data=data, precision="float32").prepare(supernet)
    assert prepared.metrics == ("accuracy",)
    assert prepared.num_examples == 50


def test_outputs_that_are_not_finite_fail_as_nan(
    make_supernet: Callable[..., Supernet], data: EncodedDataset, worker_of: WorkerOf
) -> None:
    supernet = make_supernet()
    evaluator = DatasetEvaluator(data=data, precision="float32")
    with torch.no_grad():
        next(supernet.model.classifier.parameters()).fill_(math.nan)
    with pytest.raises(nas.EvaluationFailedError) as raised:
        worker_of(evaluator, supernet)(supernet.full.to_json())
    assert raised.value.reason == "nan"


def test_data_with_other_classes_than_the_model_is_refused(
    make_supernet: Callable[..., Supernet], data: EncodedDataset
) -> None:
    with pytest.raises(nas.ConfigError, match="num_labels=3, but the data has 2 classes"):
        DatasetEvaluator(data=data).prepare(make_supernet(num_labels=3))


def test_an_unknown_metric_is_refused_before_anything_is_evaluated(
    supernet: Supernet, data: EncodedDataset
) -> None:
    with pytest.raises(nas.ConfigError, match="unknown metric 'acuracy'"):
        DatasetEvaluator(data=data, metrics=("acuracy",)).prepare(supernet)


def test_the_hash_names_data_metrics_and_precision(
    data: EncodedDataset, make_data: Callable[..., EncodedDataset]
) -> None:
    one = DatasetEvaluator(data=data, metrics=("accuracy",), precision="float32")
    same = DatasetEvaluator(data=data, metrics=("accuracy",), precision="float32", batch_size=3)
    others = [
        DatasetEvaluator(data=make_data([0, 1]), metrics=("accuracy",), precision="float32"),
        DatasetEvaluator(data=data, metrics=("f1",), precision="float32"),
        DatasetEvaluator(data=data, metrics=("accuracy",), precision="bfloat16"),
    ]
    assert one.sha256 == same.sha256
    assert len({one.sha256, *(other.sha256 for other in others)}) == 4


# Precision


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float, float], None]:
    """Let float32 and bfloat16 take so many seconds."""

    def set_times(float32: float, bfloat16: float) -> None:
        ticks: Iterator[float] = iter([0.0, float32, 10.0, 10.0 + bfloat16])
        monkeypatch.setattr(precision, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))

    return set_times


def agreeing(supernet: Supernet, make_data: Callable[..., EncodedDataset], examples: int) -> EncodedDataset:
    """Data whose labels are the model's own answers."""
    rows = make_data([0] * examples)
    return make_data([int(label) for label in predict(supernet, supernet.full, rows).argmax(-1)])


@pytest.fixture
def deaf(make_supernet: Callable[..., Supernet], make_data: Callable[..., EncodedDataset]) -> Supernet:
    """A supernet whose bfloat16 copy tells no classes apart: both outputs lie near 1000."""
    supernet = make_supernet()
    logits = predict(supernet, supernet.full, make_data([0] * 64))
    with torch.no_grad():
        bias = supernet.model.classifier.bias
        bias += torch.tensor([1000.0, 1000.0 - float(np.median(logits[:, 1] - logits[:, 0]))])
    return supernet


def test_bfloat16_is_chosen_where_it_is_faster_and_agrees(
    supernet: Supernet,
    make_data: Callable[..., EncodedDataset],
    clock: Callable[[float, float], None],
) -> None:
    clock(2.0, 1.0)
    assert choose_precision(supernet, agreeing(supernet, make_data, 64), 16, "accuracy") == "bfloat16"


def test_float32_is_chosen_where_bfloat16_is_slower(
    supernet: Supernet,
    make_data: Callable[..., EncodedDataset],
    clock: Callable[[float, float], None],
) -> None:
    clock(1.0, 2.0)
    assert choose_precision(supernet, agreeing(supernet, make_data, 64), 16, "accuracy") == "float32"


def test_float32_is_chosen_where_bfloat16_scores_otherwise(
    deaf: Supernet, make_data: Callable[..., EncodedDataset], clock: Callable[[float, float], None]
) -> None:
    data = agreeing(deaf, make_data, 64)
    assert 0.3 < data.labels.mean() < 0.7
    clock(2.0, 1.0)
    assert choose_precision(deaf, data, 16, "accuracy") == "float32"


def test_the_precision_of_an_earlier_run_is_kept(
    deaf: Supernet, data: EncodedDataset, clock: Callable[[float, float], None]
) -> None:
    evaluator = DatasetEvaluator(data=data)
    prepared = evaluator.prepare(deaf, {"precision": "bfloat16"})
    assert prepared.precision == "bfloat16"
    assert prepared.describe()["precision"] == "bfloat16"


def test_a_model_that_is_broken_in_float32_is_refused(
    make_supernet: Callable[..., Supernet], data: EncodedDataset
) -> None:
    supernet = make_supernet()
    with torch.no_grad():
        supernet.model.classifier.bias.fill_(math.inf)
    with pytest.raises(nas.ConfigError, match="outputs are not finite"):
        DatasetEvaluator(data=data).prepare(supernet)


def test_a_bfloat16_evaluator_scores_nearly_as_float32(
    supernet: Supernet, data: EncodedDataset, worker_of: WorkerOf
) -> None:
    def loss(precision: Any) -> float:
        evaluator = DatasetEvaluator(data=data, precision=precision)
        value: float = worker_of(evaluator, supernet)(supernet.full.to_json()).metrics["loss"]
        return value

    assert loss("bfloat16") != loss("float32")
    assert loss("bfloat16") == pytest.approx(loss("float32"), rel=0.05)  # 8 bits of mantissa
