"""The initial design."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

import nas
from nas.search import initial_design
from nas.search.design import DEFAULT_DESIGN, SeedMeasurements, has_measured
from nas.search.design.snapping import nearest_point
from nas.supernet import Supernet
from search_spaces import LayerUnits, SearchSpace, SubnetConfig

MEASURED = ("importance_ladder", "greedy", "knapsack")


@pytest.fixture(scope="module")
def calibrated(supernet: Supernet, tiny_batch: Callable[..., Any]) -> Supernet:
    """The supernet with two batches of calibration data."""
    other = Supernet.from_model(supernet.model)
    other.calibrate([tiny_batch(seed=seed) for seed in range(2)])
    return other


@pytest.fixture(scope="module")
def measured(calibrated: Supernet) -> SeedMeasurements:
    """Of that supernet."""
    found = SeedMeasurements.of(calibrated)
    assert found is not None
    return found


@pytest.fixture(params=["uniform", "medium", "layer", "sublayer"])
def any_space(request: pytest.FixtureRequest, supernet: Supernet) -> SearchSpace:
    """Each kind of space."""
    return supernet.space(request.param)


def test_the_full_model_comes_first(any_space: SearchSpace) -> None:
    first = initial_design(any_space)[0]
    assert first.config == SubnetConfig.full(any_space.shape)
    assert first.origin == "baseline:full"


def test_the_full_model_comes_first_even_when_it_is_not_asked_for(space: SearchSpace) -> None:
    seeds = initial_design(space, ("smallest",))
    assert [seed.origin for seed in seeds] == ["baseline:full", "seed:smallest"]


def test_no_sub_network_comes_twice(any_space: SearchSpace) -> None:
    keys = [seed.config.key for seed in initial_design(any_space)]
    assert len(keys) == len(set(keys))


def test_every_seed_but_the_full_model_is_a_point_of_the_space(supernet: Supernet) -> None:
    space = supernet.space("uniform", choices={"intermediate_size": [16, 32], "hidden_size": [32]})
    full, *others = initial_design(space)
    assert full.config not in space
    assert others
    assert all(seed.config in space for seed in others)


def test_a_baseline_that_the_space_does_not_hold_is_left_out(supernet: Supernet) -> None:
    space = supernet.space("uniform", choices={"intermediate_size": [16, 32]})
    assert not [s for s in initial_design(space) if s.origin == "baseline:layer_drop"]
    assert [s for s in initial_design(supernet.space("uniform")) if s.origin == "baseline:layer_drop"]


def test_layer_drop_drops_the_least_important_layers_first(supernet: Supernet) -> None:
    other = Supernet.from_model(supernet.model)
    other.layer_order = (2, 0, 1)
    dropped = [s for s in initial_design(other.space("uniform")) if s.origin == "baseline:layer_drop"]
    assert [seed.config.kept_layers for seed in dropped] == [(0, 2), (2,)]


def test_layers_of_a_per_layer_space_are_dropped_in_the_order_that_is_given(supernet: Supernet) -> None:
    space = supernet.space("medium")
    seeds = initial_design(space, ("layer_drop",), layer_order=(2, 0, 1))[1:]
    assert [seed.config.kept_layers for seed in seeds] == [(0, 2), (2,)]


def test_the_same_seed_gives_the_same_design(any_space: SearchSpace) -> None:
    assert initial_design(any_space, seed=3) == initial_design(any_space, seed=3)


def test_another_seed_draws_another_random_baseline(space: SearchSpace) -> None:
    def random_keys(seed: int) -> list[str]:
        return [s.config.key for s in initial_design(space, ("random",), seed=seed)][1:]

    assert random_keys(0) != random_keys(1)


def test_every_part_of_the_default_design_adds_something(
    calibrated: Supernet, measured: SeedMeasurements
) -> None:
    seeds = initial_design(calibrated.space("uniform"), measured=measured)
    assert {seed.origin.partition(":")[2] for seed in seeds} == set(DEFAULT_DESIGN)


@pytest.mark.parametrize("name", MEASURED)
def test_a_part_that_needs_calibration_data_is_left_out_without(
    space: SearchSpace, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "nas.search.design.seeds"):
        seeds = initial_design(space, ("smallest", name))
    assert [seed.origin for seed in seeds] == ["baseline:full", "seed:smallest"]
    assert f"seeds {name} are left out: the supernet has no labelled calibration data" in caplog.text


@pytest.mark.parametrize("name", MEASURED)
@pytest.mark.parametrize("kind", ["uniform", "medium", "layer", "sublayer", "large", "joint", "staged"])
def test_measured_seeds_are_points_of_the_space_between_its_ends(
    calibrated: Supernet, measured: SeedMeasurements, kind: str, name: str
) -> None:
    space = calibrated.space(kind)
    low, high = (calibrated.cost(config).num_parameters for config in (space.smallest(), space.largest()))
    seeds = initial_design(space, (name,), measured=measured)[1:]
    assert 1 <= len(seeds) <= 4
    for seed in seeds:
        assert seed.origin == f"seed:{name}"
        assert seed.config in space
        assert low <= calibrated.cost(seed.config).num_parameters < high


@pytest.mark.parametrize("name", ["greedy", "knapsack"])
def test_measured_seeds_obey_the_rules_of_the_space(
    calibrated: Supernet, measured: SeedMeasurements, name: str
) -> None:
    rule = "layers.0.intermediate_size <= layers.1.intermediate_size"
    space = calibrated.space("medium", rules=[rule])
    seeds = initial_design(space, (name,), measured=measured)[1:]
    assert seeds
    for seed in seeds:
        widths = [0 if units is None else int(units.ffn) for units in seed.config.layers]
        assert widths[0] <= widths[1]


@pytest.mark.parametrize("name", MEASURED)
def test_measured_seeds_go_up_to_the_budget_where_there_is_one(
    calibrated: Supernet, measured: SeedMeasurements, name: str
) -> None:
    space = calibrated.space("medium")
    limit = 0.6 * calibrated.cost(calibrated.full).macs

    def is_affordable(config: SubnetConfig) -> bool:
        return calibrated.cost(config).macs <= limit

    seeds = initial_design(space, (name,), measured=measured, is_affordable=is_affordable)[1:]
    macs = [calibrated.cost(seed.config).macs for seed in seeds]
    assert len(macs) >= 3
    assert 0.5 * limit < max(macs) <= limit


def test_the_knapsack_is_the_best_by_the_scores_it_is_made_from(
    calibrated: Supernet, measured: SeedMeasurements
) -> None:
    space = calibrated.space("medium")
    scores = measured.block_scores(space)
    every = [seed for seed in initial_design(space, MEASURED, measured=measured) if seed.config in space]
    for best in (seed for seed in every if seed.origin == "seed:knapsack"):
        cost = calibrated.cost(best.config).num_parameters
        cheaper = [s for s in every if calibrated.cost(s.config).num_parameters <= cost]
        least = min(scores.increase(seed.config) for seed in cheaper)
        assert scores.increase(best.config) == pytest.approx(least)


def test_the_nearest_point_to_a_point_is_itself(any_space: SearchSpace) -> None:
    point = any_space.uniform_ladder(3)[1]
    assert nearest_point(any_space, point) == point


def test_the_nearest_point_has_the_nearest_size_in_every_layer(supernet: Supernet) -> None:
    sizes = [0, 16, 48, 64]
    space = supernet.space("medium", choices={"num_attention_heads": [0, 4], "intermediate_size": sizes})
    target = SubnetConfig(hidden=32, layers=(LayerUnits(heads=3, ffn=41), None, LayerUnits(heads=1, ffn=9)))
    nearest = nearest_point(space, target.canonical(supernet.shape))
    assert nearest.layers == (
        LayerUnits(heads=4, ffn=48),
        None,
        LayerUnits(heads=0, queries=0, ffn=16),
    )


def test_it_is_known_which_designs_need_measurements() -> None:
    assert has_measured(("full", "greedy"))
    assert not has_measured(("full", "random"))


def test_an_unknown_part_is_refused_with_the_nearest_known_one(space: SearchSpace) -> None:
    with pytest.raises(nas.ConfigError, match=r"unknown part 'smalest'.*did you mean smallest\?"):
        initial_design(space, ("smalest",))


def test_a_model_of_another_family_has_the_same_kind_of_design(tiny_model: Callable[..., Any]) -> None:
    seeds = initial_design(Supernet.from_model(tiny_model("electra")).space("uniform"))
    assert seeds[0].origin == "baseline:full"
    assert len(seeds) > 5
