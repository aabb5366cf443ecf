"""What is counted is what ran, and what ran is within the budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from nas.errors import ConfigError
from nas.supernet import Supernet
from nas.training import Budget, Teacher, TrainOptions, known_strategies, strategy_of, train_supernet

MakeSupernet = Callable[..., Supernet]
OPTIONS = TrainOptions(batch_size=4, precision="float32")


class _Counted:
    """Forward and backward passes of a model and the rows they saw."""

    def __init__(self, supernet: Supernet) -> None:
        self.forwards, self.backwards = [], 0
        supernet.model.register_forward_hook(self._see)

    def _see(self, *arguments: Any) -> None:
        logits = arguments[-1].logits
        self.forwards.append(len(logits))
        logits.register_hook(self._see_gradient)

    def _see_gradient(self, _: Any) -> None:
        self.backwards += 1


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("name", known_strategies())
def test_passes_of_the_report_are_the_forward_and_backward_passes_that_ran(
    name: str, accumulate: int, make_supernet: MakeSupernet, tiny_data: Any
) -> None:
    supernet = make_supernet()
    counted = _Counted(supernet)
    data, options = tiny_data(num_examples=10), replace(OPTIONS, accumulate=accumulate)
    report = train_supernet(supernet, data, strategy=name, budget=Budget(passes=19), options=options)
    assert report.passes == len(counted.forwards) == counted.backwards <= 19
    assert report.passes > 19 - strategy_of(name).passes_a_step * accumulate  # no further step fits
    assert report.examples == sum(counted.forwards)
    assert report.strategy == name


@pytest.mark.parametrize("name", known_strategies())
def test_a_budget_of_examples_is_spent_as_far_as_whole_steps_go(
    name: str, make_supernet: MakeSupernet, tiny_data: Any
) -> None:
    supernet, data = make_supernet(), tiny_data(num_examples=10)  # in batches of 4, 4 and 2
    counted = _Counted(supernet)
    report = train_supernet(supernet, data, strategy=name, budget=Budget(examples=70), options=OPTIONS)
    assert report.examples == sum(counted.forwards) <= 70
    assert report.examples > 70 - 4 * strategy_of(name).passes_a_step


def test_what_was_spent_is_noted_with_the_supernet(make_supernet: MakeSupernet, tiny_data: Any) -> None:
    supernet = make_supernet()
    for strategy in ("standard", "random"):
        report = train_supernet(
            supernet, tiny_data(), strategy=strategy, budget=Budget(passes=3), options=OPTIONS
        )
    note = supernet.provenance["training"]
    assert (note["strategy"], note["passes"], note["examples"]) == ("random", 3, report.examples)
    assert note["total"]["passes"] == 6


def test_forwards_of_a_frozen_teacher_are_reported_apart(make_supernet: MakeSupernet, tiny_data: Any) -> None:
    supernet = make_supernet()
    teacher = Teacher.of(supernet)
    forwards: list[int] = []
    teacher.model.register_forward_hook(lambda *_: forwards.append(1))
    report = train_supernet(
        supernet,
        tiny_data(),
        strategy="sandwich",
        budget=Budget(passes=8),
        options=replace(OPTIONS, accumulate=2),
        teacher=teacher,
    )
    assert (report.passes, report.teacher_passes) == (8, 2)
    assert len(forwards) == 2


@pytest.mark.parametrize("passes", [1, 3])
def test_a_budget_below_one_step_is_refused(passes: int, make_supernet: MakeSupernet, tiny_data: Any) -> None:
    with pytest.raises(ConfigError, match=f"passes is {passes}, but one step of this strategy costs 4"):
        train_supernet(make_supernet(), tiny_data(), strategy="sandwich", budget=Budget(passes=passes))


@pytest.mark.parametrize("passes", [0, -1])
def test_a_budget_without_passes_is_refused(passes: int) -> None:
    with pytest.raises(ConfigError, match=f"passes is {passes}; it must be at least 1"):
        Budget(passes=passes)


@pytest.mark.parametrize("given", [{}, {"passes": 1, "examples": 1}])
def test_a_budget_is_either_passes_or_examples(given: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="a budget is either passes or examples"):
        Budget(**given)
