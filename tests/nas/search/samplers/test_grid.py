"""The grid visits all points in an order that depends on the study's seed only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nas.search.samplers.grid import permuted
from search_spaces import SearchSpace


@given(size=st.integers(1, 300), seed=st.integers(0, 2**63))
def test_every_position_has_an_image_of_its_own(size: int, seed: int) -> None:
    assert sorted(permuted(position, size, seed) for position in range(size)) == list(range(size))


@given(position=st.integers(0, 10**18 - 1), seed=st.integers(0, 100))
def test_spaces_too_large_to_list_are_permuted_too(position: int, seed: int) -> None:
    assert 0 <= permuted(position, 10**18, seed) < 10**18


def test_another_seed_is_another_order() -> None:
    orders = {tuple(permuted(position, 50, seed) for position in range(50)) for seed in range(5)}
    assert len(orders) == 5


def test_a_rebuilt_grid_goes_on_where_it_stopped(medium: SearchSpace, search: Callable[..., Any]) -> None:
    run = search(medium, "grid")
    run.add_seeds()
    run.run(10)
    positions = [twin.attributes["grid:position"] for twin in run.twins if twin.attributes]
    assert positions == list(range(10))
    run.proposer = run.rebuilt()
    run.run(1)
    assert run.twins[-1].attributes["grid:position"] == 10
