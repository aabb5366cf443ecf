"""Which sub-networks a step trains, and what their gradients add up to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from nas.errors import ConfigError
from nas.supernet import Supernet
from nas.tasks import distillation_loss
from nas.training import Budget, TrainOptions, known_strategies, strategy_of, train_supernet
from nas.training.strategies import Pass
from nas.training.trainer import accumulate

MakeSupernet = Callable[..., Supernet]
OPTIONS = TrainOptions(batch_size=4, precision="float32")


def _passes(name: str, supernet: Supernet, seed: int = 0) -> list[Pass]:
    generator = np.random.default_rng(seed)
    return list(strategy_of(name).passes(supernet.space("medium"), supernet.full, generator))


def _gradients(supernet: Supernet) -> dict[str, torch.Tensor]:
    found = {}
    for name, parameter in supernet.model.named_parameters():
        found[name] = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()
        parameter.grad = None
    return found


@pytest.mark.parametrize("name", known_strategies())
def test_a_step_has_the_promised_number_of_passes(name: str, make_supernet: MakeSupernet) -> None:
    assert len(_passes(name, make_supernet())) == strategy_of(name).passes_a_step


@pytest.mark.parametrize("name", known_strategies())
def test_passes_repeat_with_the_generator_s_seed(name: str, make_supernet: MakeSupernet) -> None:
    supernet = make_supernet()
    assert _passes(name, supernet, seed=3) == _passes(name, supernet, seed=3)


def test_standard_trains_the_full_network(make_supernet: MakeSupernet) -> None:
    supernet = make_supernet()
    assert _passes("standard", supernet) == [Pass(supernet.full, "labels")]


@pytest.mark.parametrize("name", ["sandwich", "sandwich_kd"])
def test_a_sandwich_has_the_full_network_first_and_the_smallest_last(
    name: str, make_supernet: MakeSupernet
) -> None:
    supernet = make_supernet()
    first, *others = _passes(name, supernet)
    assert first == Pass(supernet.full, "labels")
    assert others[-1].config == supernet.space("medium").smallest()
    assert {one.target for one in others} == {"labels" if name == "sandwich" else "labels+teacher"}


@pytest.mark.parametrize("name", known_strategies())
def test_the_gradient_of_a_step_is_the_sum_of_separate_gradients(
    name: str, make_supernet: MakeSupernet, tiny_batch: Any
) -> None:
    supernet, batch, temperature = make_supernet(dtype="float64"), tiny_batch(), 2.0
    passes = _passes(name, supernet)
    accumulate(supernet, passes, batch, temperature)
    together = _gradients(supernet)
    with torch.no_grad():
        teacher = supernet.model(**batch.inputs).logits
    separate = {key: torch.zeros_like(value) for key, value in together.items()}
    for one in passes:
        with supernet.active(one.config) as model:
            logits = model(**batch.inputs).logits
        loss = functional.cross_entropy(logits, batch.labels)
        if one.target == "labels+teacher":
            loss = loss + distillation_loss(logits, teacher, temperature)
        loss.backward()
        for key, value in _gradients(supernet).items():
            separate[key] += value
    for key, value in together.items():
        # Float64 sums of four terms in another order.
        torch.testing.assert_close(value, separate[key], atol=1e-12, rtol=1e-10)


def test_the_same_network_twice_gives_twice_the_gradient(
    make_supernet: MakeSupernet, tiny_batch: Any
) -> None:
    supernet = make_supernet(dtype="float64")
    accumulate(supernet, [Pass(supernet.full)], tiny_batch(), 1.0)
    once = _gradients(supernet)
    accumulate(supernet, [Pass(supernet.full), Pass(supernet.full)], tiny_batch(), 1.0)
    for name, value in _gradients(supernet).items():
        torch.testing.assert_close(value, 2 * once[name], atol=1e-14, rtol=1e-12)


def test_distillation_from_itself_adds_no_gradient(make_supernet: MakeSupernet, tiny_batch: Any) -> None:
    supernet = make_supernet(dtype="float64")
    accumulate(supernet, [Pass(supernet.full), Pass(supernet.full, "labels")], tiny_batch(), 1.0)
    with_labels = _gradients(supernet)
    accumulate(supernet, [Pass(supernet.full), Pass(supernet.full, "labels+teacher")], tiny_batch(), 1.0)
    for name, value in _gradients(supernet).items():
        torch.testing.assert_close(value, with_labels[name], atol=1e-13, rtol=1e-12)


@pytest.mark.parametrize("name", known_strategies())
def test_passes_of_the_report_are_the_forward_passes_that_ran(
    name: str, make_supernet: MakeSupernet, tiny_data: Any
) -> None:
    supernet = make_supernet()
    forwards: list[int] = []
    supernet.model.register_forward_hook(lambda *_: forwards.append(1))
    budget = Budget(passes=9)
    report = train_supernet(supernet, tiny_data(), strategy=name, budget=budget, options=OPTIONS)
    cost = strategy_of(name).passes_a_step
    assert report.steps == 9 // cost
    assert report.passes == len(forwards) == report.steps * cost
    assert report.strategy == name


def test_examples_of_the_report_are_those_that_were_seen(make_supernet: MakeSupernet, tiny_data: Any) -> None:
    supernet = make_supernet()
    seen: list[int] = []
    supernet.model.register_forward_hook(lambda *a: seen.append(len(a[-1].logits)))
    data = tiny_data(num_examples=10)  # in batches of 4, 4 and 2
    report = train_supernet(supernet, data, strategy="sandwich", budget=Budget(passes=16), options=OPTIONS)
    assert report.examples == sum(seen) < report.passes * 4


@pytest.mark.parametrize("passes", [1, 3])
def test_a_budget_below_one_step_is_refused(passes: int, make_supernet: MakeSupernet, tiny_data: Any) -> None:
    with pytest.raises(ConfigError, match=f"passes is {passes}, but one step of this strategy costs 4"):
        train_supernet(make_supernet(), tiny_data(), strategy="sandwich", budget=Budget(passes=passes))


@pytest.mark.parametrize("passes", [0, -1])
def test_a_budget_without_passes_is_refused(passes: int) -> None:
    with pytest.raises(ConfigError, match=f"passes is {passes}; it must be at least 1"):
        Budget(passes=passes)


def test_an_unknown_strategy_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        ConfigError, match=r"unknown strategy 'sandwitch'; allowed are .*did you mean sandwich\?"
    ):
        strategy_of("sandwitch")
