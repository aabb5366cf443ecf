"""Staged evaluation: parts are slices of the order, and merged they are the whole."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

import nas
from nas.data import EncodedDataset
from nas.evaluation import DatasetEvaluator, Quality, ScoreEvaluator
from nas.supernet import Supernet
from search_spaces import SubnetConfig

WorkerOf = Callable[[Any, Supernet], Any]
STAGES = ((0, 8), (8, 24), (24, 50))


def asked(config: SubnetConfig, part: tuple[int, int]) -> dict[str, Any]:
    return {**config.to_json(), "examples": list(part)}


@pytest.fixture(scope="module")
def evaluator(supernet: Supernet, data: EncodedDataset) -> DatasetEvaluator:
    metrics = ("accuracy", "f1", "matthews_correlation")
    prepared = DatasetEvaluator(data=data, metrics=metrics, precision="float32", batch_size=7)
    return prepared.prepare(supernet)


@pytest.fixture(scope="module")
def worker(evaluator: DatasetEvaluator, supernet: Supernet, worker_of: WorkerOf) -> Any:
    return worker_of(evaluator, supernet)


def parts_of(worker: Any, config: SubnetConfig, stages: Sequence[tuple[int, int]] = STAGES) -> list[Quality]:
    return [worker(asked(config, stage)) for stage in stages]


def test_merged_stages_have_the_scores_of_one_evaluation(
    evaluator: DatasetEvaluator, worker: Any, mixed: SubnetConfig
) -> None:
    whole, merged = worker(mixed.to_json()), evaluator.merged(parts_of(worker, mixed))
    for name in evaluator.metrics:
        assert merged.metrics[name] == whole.metrics[name]
    assert merged.metrics["loss"] == pytest.approx(whole.metrics["loss"], rel=1e-5)  # other batches
    assert merged.examples == whole.examples == 50


def test_a_part_holds_just_the_examples_of_its_positions(
    evaluator: DatasetEvaluator, worker: Any, mixed: SubnetConfig
) -> None:
    whole = worker(mixed.to_json()).outcome
    part = worker(asked(mixed, (8, 24)))
    assert part.examples == 16
    np.testing.assert_allclose(part.outcome.predictions, whole.predictions[8:24], atol=1e-5)
    assert part.outcome.labels.tolist() == evaluator.data.labels[evaluator.order[8:24]].tolist()


def test_stages_put_every_example_through_the_model_once(
    supernet: Supernet, data: EncodedDataset, worker_of: WorkerOf
) -> None:
    worker = worker_of(DatasetEvaluator(data=data, precision="float32", batch_size=4), supernet)
    seen: list[torch.Tensor] = []
    hook = worker._supernet.model.register_forward_pre_hook(
        lambda _module, _args, inputs: seen.append(inputs["input_ids"]), with_kwargs=True
    )
    parts_of(worker, supernet.full)
    hook.remove()
    rows = sorted(tuple(row[row != 0].tolist()) for batch in seen for row in batch)
    texts = (data.tokens[a:b] for a, b in zip(data.offsets, data.offsets[1:], strict=False))
    assert rows == sorted(tuple(text.tolist()) for text in texts)


def test_merged_parts_can_be_stored_between(
    evaluator: DatasetEvaluator, worker: Any, mixed: SubnetConfig
) -> None:
    parts = parts_of(worker, mixed)
    stored = [pickle.loads(pickle.dumps(part)) for part in parts]
    assert evaluator.merged(stored).metrics == evaluator.merged(parts).metrics


def test_merging_in_steps_is_merging_at_once(
    evaluator: DatasetEvaluator, worker: Any, mixed: SubnetConfig
) -> None:
    parts = parts_of(worker, mixed)
    in_steps = evaluator.merged([evaluator.merged(parts[:2]), parts[2]])
    assert in_steps.metrics == evaluator.merged(parts).metrics
    assert in_steps.seconds == pytest.approx(sum(part.seconds for part in parts))


@pytest.mark.parametrize("part", [(-1, 4), (4, 4), (6, 4), (40, 51)])
def test_positions_beyond_the_data_are_refused(
    worker: Any, mixed: SubnetConfig, part: tuple[int, int]
) -> None:
    with pytest.raises(nas.EvaluationFailedError, match="allowed are 0 <= start < stop <= 50") as raised:
        worker(asked(mixed, part))
    assert raised.value.reason == "bug"


def test_parts_without_outcomes_are_not_merged(evaluator: DatasetEvaluator) -> None:
    bare = Quality(metrics={"accuracy": 0.5}, examples=8, seconds=0.1)
    with pytest.raises(nas.ConfigError, match="2 parts were given to be merged, 0 of them with an outcome"):
        evaluator.merged([bare, bare])


def test_the_hash_of_an_evaluator_says_nothing_of_stages(
    evaluator: DatasetEvaluator, data: EncodedDataset
) -> None:
    fresh = DatasetEvaluator(data=data, metrics=evaluator.metrics, precision="float32")
    assert evaluator.order is not None
    assert fresh.sha256 == evaluator.sha256


def test_workers_get_the_order_of_the_driver(evaluator: DatasetEvaluator) -> None:
    changed = DatasetEvaluator(data=evaluator.data, metrics=evaluator.metrics, precision="float32")
    changed.__dict__["order"] = evaluator.order[::-1]
    assert pickle.loads(pickle.dumps(changed)).order.tolist() == evaluator.order[::-1].tolist()


def test_a_function_of_the_user_is_not_staged() -> None:
    evaluator = ScoreEvaluator(score=lambda _model: 1.0)
    assert not evaluator.is_staged
    part = Quality(metrics={"score": 1.0}, examples=1, seconds=0.1)
    assert evaluator.merged([part]) is part
    with pytest.raises(nas.ConfigError, match="2 parts were given to be merged, but ScoreEvaluator"):
        evaluator.merged([part, part])
