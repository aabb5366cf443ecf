"""Quality by the user's own function."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import nas
from nas.evaluation import ScoreEvaluator, checked_metrics
from nas.supernet import Supernet
from search_spaces import SubnetConfig

WorkerOf = Callable[[Any, Supernet], Any]


def size(model: nn.Module) -> float:
    """Number of weights of the active sub-network."""
    return float(sum(parameter.numel() for parameter in model.parameters()))


def test_the_function_sees_the_sub_network(
    supernet: Supernet, mixed: SubnetConfig, worker_of: WorkerOf
) -> None:
    quality = worker_of(ScoreEvaluator(score=size), supernet)(mixed.to_json())
    assert quality.metrics == {"score": size(supernet.extract(mixed))}
    assert quality.examples == 1


def test_the_function_runs_in_evaluation_mode_without_gradients(
    supernet: Supernet, worker_of: WorkerOf
) -> None:
    def score(model: nn.Module) -> dict[str, float]:
        return {"training": int(model.training), "gradients": int(torch.is_grad_enabled())}

    metrics = worker_of(ScoreEvaluator(score=score), supernet)(supernet.full.to_json()).metrics
    assert metrics == {"training": 0.0, "gradients": 0.0}


def test_one_number_takes_the_first_name(supernet: Supernet, worker_of: WorkerOf) -> None:
    evaluator = ScoreEvaluator(score=size, metrics=("accuracy",))
    assert set(worker_of(evaluator, supernet)(supernet.full.to_json()).metrics) == {"accuracy"}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (0.5, {"score": 0.5}),
        (1, {"score": 1.0}),
        (np.float32(0.5), {"score": 0.5}),
        (torch.tensor(0.5), {"score": 0.5}),
        (1e308, {"score": 1e308}),
        ({"a": 1, "b": np.int64(2)}, {"a": 1.0, "b": 2.0}),
    ],
)
def test_numbers_are_taken_as_floats(answer: Any, expected: Mapping[str, float]) -> None:
    checked = checked_metrics(answer)
    assert checked == expected
    assert all(type(value) is float for value in checked.values())


@pytest.mark.parametrize(
    ("answer", "reason", "message"),
    [
        (math.nan, "nan", "score = nan, which is not finite"),
        (math.inf, "nan", "inf, which is not finite"),
        (-math.inf, "nan", "-inf, which is not finite"),
        (np.float32("nan"), "nan", "not finite"),
        (None, "bug", "score = None; return a number"),
        ("1.5", "bug", r"score = '1\.5'; return a number"),
        (b"1", "bug", "return a number"),
        (True, "bug", "score = True; return a number"),
        (np.bool_(False), "bug", "return a number"),
        (10**400, "bug", r"score = 1000.*\.\.\.: int too large"),
        ([0.5], "bug", "score = \\[0.5\\]"),
        (torch.tensor([1.0, 2.0]), "bug", "score = tensor"),
        ({"accuracy": None}, "bug", "accuracy = None"),
        ({3: 0.5}, "bug", "a value named 3"),
        ({"macs": 1.0}, "bug", "macs, which is counted exactly"),
    ],
)
def test_anything_else_fails_with_its_reason(answer: Any, reason: str, message: str) -> None:
    with pytest.raises(nas.EvaluationFailedError, match=message) as raised:
        checked_metrics(answer)
    assert raised.value.reason == reason


def test_a_missing_metric_is_told_with_those_that_came() -> None:
    with pytest.raises(nas.EvaluationFailedError, match=r"returned no f1; it returned \['accuracy'\]"):
        checked_metrics({"accuracy": 0.5}, ("accuracy", "f1"))


def test_an_exception_of_the_function_passes_through_and_leaves_the_supernet_whole(
    supernet: Supernet, mixed: SubnetConfig, worker_of: WorkerOf
) -> None:
    def score(model: nn.Module) -> float:
        if size(model) < size(supernet.model):
            raise ZeroDivisionError("of the user")
        return size(model)

    worker = worker_of(ScoreEvaluator(score=score), supernet)
    with pytest.raises(ZeroDivisionError, match="of the user"):
        worker(mixed.to_json())
    assert worker(supernet.full.to_json()).metrics["score"] == size(supernet.model)


def test_what_is_no_function_is_refused(supernet: Supernet) -> None:
    with pytest.raises(nas.ConfigError, match="score is 3; give a function"):
        ScoreEvaluator(score=3).prepare(supernet)  # type: ignore[arg-type]


def test_results_are_shared_by_source_and_version(supernet: Supernet) -> None:
    def sha256(version: str = "", score: Any = size) -> str:
        return ScoreEvaluator(score=score, version=version).prepare(supernet).sha256

    assert sha256() == sha256()
    assert sha256() != sha256("2")
    assert sha256() != sha256(score=lambda model: 0.5)


def test_a_function_without_source_shares_nothing_unless_it_states_a_version(supernet: Supernet) -> None:
    def sha256(version: str) -> str:
        evaluator = ScoreEvaluator(score=functools.partial(size), version=version)
        return evaluator.prepare(supernet).sha256

    assert sha256("") != sha256("")
    assert sha256("1") == sha256("1")
    assert sha256("1") != sha256("2")
