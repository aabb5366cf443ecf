"""Settings of racing."""

from __future__ import annotations

from typing import Any

import pytest

import nas
from nas.racing import Racing


@pytest.mark.parametrize("num_examples", [1, 31, 32, 33, 100, 872, 10_000])
def test_stages_rise_to_all_examples(num_examples: int) -> None:
    stages = Racing().stages_of(num_examples)
    assert stages[-1] == num_examples
    assert list(stages) == sorted(set(stages))


def test_stages_grow_by_half() -> None:
    assert Racing().stages_of(872) == (32, 48, 72, 108, 162, 243, 364, 547, 872)


def test_stages_beyond_the_data_are_left_out() -> None:
    assert Racing(stages=(64, 256, 1000)).stages_of(500) == (64, 256, 500)


def test_all_may_be_named_as_the_last_stage() -> None:
    assert Racing(stages=(64, "all")) == Racing(stages=(64,))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"confidence": 0.5}, "confidence is 0.5"),
        ({"confidence": 1.0}, "confidence is 1.0"),
        ({"bound": "hoeffding"}, "allowed are normal, anytime"),
        ({"stages": (64, 32)}, "rising order"),
        ({"stages": (64, 64)}, "each once"),
        ({"stages": (0,)}, "at least 1"),
        ({"stages": ("all", 64)}, "whole numbers"),
    ],
)
def test_wrong_settings_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(nas.ConfigError, match=message):
        Racing(**change)


def test_settings_survive_json() -> None:
    racing = Racing(stages=(10, 20), confidence=0.9, bound="anytime", rescue=False)
    assert Racing.from_json(racing.to_json()) == racing


def test_an_anytime_bound_needs_a_bounded_metric() -> None:
    Racing(bound="anytime").check_metrics(["accuracy"])
    with pytest.raises(nas.ConfigError, match="not loss"):
        Racing(bound="anytime").check_metrics(["accuracy", "loss"])
