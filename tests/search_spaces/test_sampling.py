"""How sub-networks are drawn, and how evenly they cover the sizes of a space."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from search_spaces import ModelShape, SpaceError, SubnetConfig, Workload, build_space, cost, sampler_of
from search_spaces.sampling import SAMPLERS, GridSampler, StratifiedSampler

KINDS = ("uniform", "medium")


def _draws(
    draw: Callable[[int, np.random.Generator], SubnetConfig], count: int, first: int = 0
) -> list[SubnetConfig]:
    return [draw(number, np.random.default_rng(number)) for number in range(first, first + count)]


def _sizes(shape: ModelShape, configs: list[SubnetConfig]) -> list[int]:
    return [cost(shape, config, Workload()).num_parameters for config in configs]


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("kind", KINDS)
def test_draws_are_sub_networks_of_the_space(name: str, kind: str, bert_shape: ModelShape) -> None:
    space = build_space(kind, bert_shape)
    draws = _draws(sampler_of(name, space).draw, 25)
    assert all(config in space for config in draws)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_draw_is_a_function_of_seed_number_and_generator(name: str, bert_shape: ModelShape) -> None:
    space = build_space("medium", bert_shape)
    first = _draws(sampler_of(name, space, seed=4).draw, 30)
    resumed = _draws(sampler_of(name, space, seed=4).draw, 10, first=20)
    assert resumed == first[20:]


def test_uniform_draws_are_the_space_s_own(bert_shape: ModelShape) -> None:
    space = build_space("medium", bert_shape)
    drawn = sampler_of("uniform", space).draw(3, np.random.default_rng(5))
    assert drawn == space.sample(np.random.default_rng(5))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [7, 20, 33, 60])
def test_counts_of_bins_differ_by_at_most_one(kind: str, count: int, bert_shape: ModelShape) -> None:
    sampler = StratifiedSampler(build_space(kind, bert_shape))
    bins = [sampler.bin_of(config) for config in _draws(sampler.draw, count)]
    counts = np.bincount(bins, minlength=20)
    assert counts.max() - counts.min() <= 1


def test_bins_are_equally_wide_from_the_smallest_to_the_largest(bert_shape: ModelShape) -> None:
    space = build_space("medium", bert_shape)
    edges = StratifiedSampler(space).edges
    assert (edges[0], edges[-1]) == tuple(_sizes(bert_shape, [space.smallest(), space.largest()]))
    np.testing.assert_allclose(np.diff(edges), (edges[-1] - edges[0]) / 20)


def test_the_smallest_and_the_largest_lie_in_the_outermost_bins(bert_shape: ModelShape) -> None:
    space = build_space("medium", bert_shape)
    sampler = StratifiedSampler(space)
    assert [sampler.bin_of(config) for config in (space.smallest(), space.largest())] == [0, 19]


def test_uniform_draws_alone_would_leave_bins_empty(bert_shape: ModelShape) -> None:
    space = build_space("medium", bert_shape)
    sampler = StratifiedSampler(space)
    bins = {sampler.bin_of(config) for config in _draws(sampler_of("uniform", space).draw, 200)}
    assert len(bins) < 20


def test_bins_without_sub_networks_are_served_by_the_nearest(bert_shape: ModelShape) -> None:
    space = build_space("layer", bert_shape)  # 7 sizes for 20 bins
    sampler = StratifiedSampler(space)
    bins = [sampler.bin_of(config) for config in _draws(sampler.draw, 20)]
    assert len(set(bins)) == 7


@pytest.mark.parametrize("kind", KINDS)
def test_the_grid_has_21_sub_networks_of_evenly_spaced_sizes(kind: str, bert_shape: ModelShape) -> None:
    space = build_space(kind, bert_shape)
    grid = list(GridSampler(space).grid)
    sizes = np.array(_sizes(bert_shape, grid))
    assert (grid[0], grid[-1]) == (space.smallest(), space.largest())
    width = (sizes[-1] - sizes[0]) / 20
    targets = np.linspace(sizes[0], sizes[-1], 21)
    assert np.abs(sizes - targets).max() < width / 2  # so that each lies in the bin around its target


def test_every_grid_point_is_drawn_once_a_round(bert_shape: ModelShape) -> None:
    sampler = GridSampler(build_space("uniform", bert_shape))
    for turn in range(2):
        drawn = _draws(sampler.draw, 21, first=21 * turn)
        assert {config.key for config in drawn} == {config.key for config in sampler.grid}


def test_an_unknown_sampler_is_refused_with_the_nearest(bert_shape: ModelShape) -> None:
    with pytest.raises(SpaceError, match=r"unknown sampler 'grid'; allowed are uniform, .*grid_params"):
        sampler_of("grid", build_space("layer", bert_shape))
