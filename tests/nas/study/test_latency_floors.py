"""Bounds of latencies that were not measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nas.study.latency_floors import LatencyFloors, with_predictions
from nas.supernet import Supernet
from search_spaces import SearchSpace, SubnetConfig
from search_spaces.units import count


def _ratio(config: SubnetConfig, space: SearchSpace, noise: float = 0.0) -> float:
    """A truth that is no linear function of the features: attention costs more where the FFN is small."""
    shares = [
        0.0 if one is None else 0.06 * count(one.heads) + 0.002 * count(one.ffn) for one in config.layers
    ]
    return 0.05 + sum(shares) + 0.02 * len(config.kept_layers) ** 0.5 + noise


@pytest.fixture
def space(supernet: Supernet) -> SearchSpace:
    return supernet.space("medium")


@pytest.fixture
def measured(space: SearchSpace) -> LatencyFloors:
    floors, generator = LatencyFloors(space.shape), np.random.default_rng(0)
    floors.reference_ms = 10.0
    for _ in range(40):
        config = space.sample(generator)
        floors.add(config, _ratio(config, space, 0.01 * generator.standard_normal()))
    return floors


def test_nothing_is_ruled_out_before_enough_is_measured(space: SearchSpace) -> None:
    floors = LatencyFloors(space.shape)
    floors.add(space.middle(), 0.5)
    assert floors.lower(space.largest()) == {"latency_ratio": 0.0, "latency_ms": 0.0}
    assert floors.predicted(space.largest()) == {}


def test_the_bound_seldom_lies_above_the_truth(space: SearchSpace, measured: LatencyFloors) -> None:
    generator = np.random.default_rng(1)
    configs = [space.sample(generator) for _ in range(300)]
    broken = sum(measured.lower(config)["latency_ratio"] > _ratio(config, space) for config in configs)
    assert broken / 300 <= 0.15


def test_the_bound_lies_below_the_prediction_and_near_it(space: SearchSpace, measured: LatencyFloors) -> None:
    config = space.middle()
    low = measured.lower(config)["latency_ms"]
    middle = measured.predicted(config)["latency_ms_predicted"]
    assert 0.5 * middle < low < middle


def test_a_new_measurement_changes_the_prediction(space: SearchSpace, measured: LatencyFloors) -> None:
    before = measured.predicted(space.largest())
    measured.add(space.largest(), 3.0)
    assert measured.predicted(space.largest()) != before


def test_dropped_layers_cost_nothing(space: SearchSpace, measured: LatencyFloors) -> None:
    full = SubnetConfig.full(space.shape)
    dropped = replace(full, layers=(full.layers[0], *(None for _ in full.layers[1:])))
    assert (
        measured.predicted(dropped)["latency_ms_predicted"] < measured.predicted(full)["latency_ms_predicted"]
    )


def test_measurements_go_before_predictions() -> None:
    assert with_predictions({"latency_ms": 3.0, "latency_ms_predicted": 9.0})["latency_ms"] == 3.0
    assert with_predictions({"latency_ms_predicted": 9.0})["latency_ms"] == 9.0


def test_what_is_known_precisely_weighs_more_than_what_is_not(
    space: SearchSpace, measured: LatencyFloors
) -> None:
    config, truth = space.largest(), _ratio(space.largest(), space)

    def learnt(half_width: float) -> float:
        low, high = 3.0 - half_width, 3.0 + half_width
        measured.learn(config, {"latency_ratio": 3.0, "latency_ratio_low": low, "latency_ratio_high": high})
        return measured.likely(config)["latency_ratio"]

    assert truth <= learnt(2.0) < learnt(0.01) <= 3.0


def test_a_trial_without_latency_teaches_nothing(space: SearchSpace, measured: LatencyFloors) -> None:
    before = measured.likely(space.middle())
    measured.learn(space.middle(), {"accuracy": 0.9})
    assert measured.likely(space.middle()) == before
