"""Predicted latencies of devices whose latencies the test decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nas.supernet import Supernet
from nas.targets.calibration import calibration_shapes
from nas.targets.prediction import LatencyPredictor
from search_spaces import ModelShape, SearchSpace, SubnetConfig, build_space
from search_spaces.units import count


@pytest.fixture(scope="module")
def shape(tiny_model: Callable[..., Any]) -> ModelShape:
    sizes = {
        "hidden_size": 32,
        "num_attention_heads": 8,
        "intermediate_size": 64,
        "num_hidden_layers": 6,
    }
    return Supernet(tiny_model("bert", **sizes), task="sequence-classification").shape


@pytest.fixture
def space(shape: ModelShape) -> SearchSpace:
    return build_space("medium", shape)


def device(config: SubnetConfig) -> float:
    """Heads come in pairs, half of the neurons cost little, and what spills out of a cache costs more."""
    kept = [units for units in config.layers if units is not None]
    heads = sum(0.01 + 0.016 * -(-units.num_attention_heads // 2) for units in kept if units.heads)
    neurons = sum(0.01 + 0.002 * max(0, count(units.ffn) - 32) for units in kept if units.ffn)
    total = 0.04 + heads + neurons
    return total + 0.3 * max(0.0, total - 0.4) ** 2


def drawn(space: SearchSpace, number: int, seed: int) -> list[SubnetConfig]:
    generator = np.random.default_rng(seed)
    return [space.sample(generator) for _ in range(number)]


def learnt(configs: list[SubnetConfig], shape: ModelShape, *, noise: float = 0.0) -> LatencyPredictor:
    predictor, generator = LatencyPredictor(shape), np.random.default_rng(0)
    for config in configs:
        ratio = device(config) * float(np.exp(noise * generator.standard_normal()))
        predictor.add(config, ratio, 2 * noise * ratio)
    return predictor


def mean_error(predictor: LatencyPredictor, configs: list[SubnetConfig]) -> float:
    predicted = [predictor.likely(config) for config in configs]
    assert None not in predicted
    return float(np.mean([abs(p / device(c) - 1) for p, c in zip(predicted, configs, strict=True) if p]))


def test_nothing_is_predicted_before_thirteen_shapes_are_known(space: SearchSpace) -> None:
    configs = drawn(space, 13, 0)
    predictor = learnt(configs[:12], space.shape)
    assert predictor.likely(configs[0]) is None
    assert predictor.lower(configs[0]) is None
    assert predictor.cross_validated() is None
    predictor.add(configs[12], device(configs[12]))
    assert predictor.likely(configs[0]) is not None


def test_an_encoder_and_its_decoder_need_twice_as_many_shapes(space: SearchSpace) -> None:
    predictor = LatencyPredictor(replace(space.shape, num_encoder_layers=3))
    configs = drawn(space, 26, 0)
    for config in configs[:25]:
        predictor.add(config, device(config))
    assert predictor.likely(configs[0]) is None
    predictor.add(configs[25], device(configs[25]))
    assert predictor.likely(configs[0]) is not None


def test_an_encoder_and_its_decoder_have_tables_of_their_own(space: SearchSpace) -> None:
    shape = replace(space.shape, num_encoder_layers=3)
    full = SubnetConfig.full(shape)

    def ratio(config: SubnetConfig) -> float:
        """Blocks of the decoder cost three times as much."""
        sizes = [0.0 if one is None else count(one.ffn) + 4.0 * count(one.heads) for one in config.layers]
        return 0.1 + (sum(sizes[:3]) + 3 * sum(sizes[3:])) / 1200

    predictor = LatencyPredictor(shape)
    for config in drawn(space, 80, 0):
        predictor.add(config, ratio(config))
    halves = [
        replace(full, layers=(*full.layers[:3], None, None, None)),
        replace(full, layers=(None, None, None, *full.layers[3:])),
    ]
    for config in halves:
        assert predictor.likely(config) == pytest.approx(ratio(config), rel=0.05)


def test_tables_that_bend_are_learnt_from_forty_shapes(space: SearchSpace) -> None:
    predictor = learnt(calibration_shapes(space, 40), space.shape)
    assert mean_error(predictor, drawn(space, 60, 1)) <= 0.02


def test_measurements_with_wide_intervals_weigh_less(space: SearchSpace) -> None:
    config, *others = drawn(space, 31, 0)

    def predicted(half_width: float) -> float:
        predictor = learnt(others, space.shape)
        predictor.add(config, 1.3 * device(config), half_width)
        ratio = predictor.likely(config)
        assert ratio is not None
        return ratio / device(config)

    assert abs(predicted(0.5) - 1) < 0.02 < 0.05 < predicted(0.001) - 1


def test_nine_of_ten_ratios_are_not_below_the_bound(space: SearchSpace) -> None:
    held = []
    for seed in range(5):
        predictor = learnt(drawn(space, 40, seed), space.shape, noise=0.02)
        unseen = drawn(space, 100, 100 + seed)
        held += [(predictor.lower(config) or 0.0) <= device(config) for config in unseen]
    # 90 % is the promise; of 500 dependent draws a few percent less may come by chance.
    assert np.mean(held) >= 0.87


def test_the_bound_is_lower_where_nothing_alike_was_measured(space: SearchSpace) -> None:
    generator = np.random.default_rng(0)
    large = [c for c in (space.sample(generator) for _ in range(200)) if device(c) > 0.5][:40]
    predictor = learnt(large, space.shape, noise=0.01)

    def slack(config: SubnetConfig) -> float:
        likely, lower = predictor.likely(config), predictor.lower(config)
        assert likely
        assert lower
        return 1 - lower / likely

    assert slack(space.at_fraction(0.2)) > 1.5 * slack(large[0])


def test_equal_shapes_count_once_whichever_blocks_they_keep(space: SearchSpace) -> None:
    full = SubnetConfig.full(space.shape)
    predictor = LatencyPredictor(space.shape)
    for dropped in range(6):
        layers = tuple(None if index == dropped else units for index, units in enumerate(full.layers))
        predictor.add(replace(full, layers=layers), 0.85)
    assert predictor.num_shapes == 1


def test_equal_shapes_count_once_in_whichever_order_their_blocks_stand(space: SearchSpace) -> None:
    predictor = LatencyPredictor(space.shape)
    for config in drawn(space, 20, 0):
        before = predictor.num_shapes
        predictor.add(config, 0.5)
        predictor.add(replace(config, layers=config.layers[::-1]), 0.6)
        assert predictor.num_shapes == before + 1


def test_the_order_of_learning_changes_nothing(space: SearchSpace) -> None:
    configs, unseen = drawn(space, 40, 0), space.middle()
    forwards, backwards = (learnt(each, space.shape) for each in (configs, configs[::-1]))
    assert forwards.likely(unseen) == pytest.approx(backwards.likely(unseen), rel=1e-6)


def test_the_left_out_error_is_near_that_of_unseen_shapes(space: SearchSpace) -> None:
    predictor = learnt(drawn(space, 60, 0), space.shape)
    error = predictor.cross_validated()
    assert error is not None
    assert error.num_shapes == 60
    unseen = mean_error(predictor, drawn(space, 200, 1))
    assert 0.5 * unseen <= error.mean_absolute_relative_error <= 2 * unseen
    assert error.kendall_tau is not None
    assert 0.9 < error.kendall_tau < 1


@pytest.mark.parametrize("ratio", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_ratio_is_refused(space: SearchSpace, ratio: float) -> None:
    with pytest.raises(ValueError, match="finite number above 0"):
        LatencyPredictor(space.shape).add(space.middle(), ratio)
