"""The initial design."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import nas
from nas.search import initial_design
from nas.search.design import DEFAULT_DESIGN
from nas.supernet import Supernet
from search_spaces import SearchSpace, SubnetConfig


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


def test_the_same_seed_gives_the_same_design(any_space: SearchSpace) -> None:
    assert initial_design(any_space, seed=3) == initial_design(any_space, seed=3)


def test_another_seed_draws_another_random_baseline(space: SearchSpace) -> None:
    def random_keys(seed: int) -> list[str]:
        return [s.config.key for s in initial_design(space, ("random",), seed=seed)][1:]

    assert random_keys(0) != random_keys(1)


def test_every_part_of_the_default_design_adds_something(space: SearchSpace) -> None:
    origins = {seed.origin.partition(":")[2] for seed in initial_design(space)}
    assert origins == set(DEFAULT_DESIGN)


def test_an_unknown_part_is_refused_with_the_nearest_known_one(space: SearchSpace) -> None:
    with pytest.raises(nas.ConfigError, match=r"unknown part 'smalest'.*did you mean smallest\?"):
        initial_design(space, ("smalest",))


def test_a_model_of_another_family_has_the_same_kind_of_design(tiny_model: Callable[..., Any]) -> None:
    seeds = initial_design(Supernet.from_model(tiny_model("electra")).space("uniform"))
    assert seeds[0].origin == "baseline:full"
    assert len(seeds) > 5
