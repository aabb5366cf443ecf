"""The staged space is searched uniformly first, and the second stage has the first as its history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nas.search import known_samplers
from nas.search.samplers.staged import StagedSampler, num_uniform_proposals
from nas.supernet import Supernet
from search_spaces import SearchSpace, StagedSpace

SAMPLERS = tuple(name for name in known_samplers() if name != "gp")


@pytest.fixture(scope="module")
def staged(supernet: Supernet) -> StagedSpace:
    space = supernet.space("staged")
    assert isinstance(space, StagedSpace)
    return space


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_first_proposals_are_uniform_and_later_ones_are_not(
    staged: StagedSpace, search: Callable[..., Any], sampler: str
) -> None:
    run = search(staged, sampler)
    run.add_seeds()
    seeds, first = len(run.twins), num_uniform_proposals(staged)
    run.run(first + 10)
    is_uniform = [staged.decode(dict(t.parameters)) in staged.uniform for t in run.twins[seeds:]]
    assert all(is_uniform[:first])
    assert not all(is_uniform[first:])


def test_the_first_stage_grows_with_the_dimensions_of_the_uniform_space(staged: StagedSpace) -> None:
    assert len(staged.uniform.dimensions) == 4
    assert num_uniform_proposals(staged) == 20


def test_nsga2_breeds_from_the_first_stage(staged: StagedSpace, search: Callable[..., Any]) -> None:
    run = search(staged, "nsga2")
    run.run(num_uniform_proposals(staged) + 1)
    assert run.twins[-1].attributes["NSGAIISampler:generation"] == 1


def test_the_first_stage_learns_from_the_initial_design(
    staged: StagedSpace, search: Callable[..., Any]
) -> None:
    run = search(staged, "local_search")
    run.add_seeds()
    parents = [staged.decode(dict(twin.parameters)) for twin in run.twins]
    encoded = [staged.uniform.encode(parent) for parent in parents if parent in staged.uniform]
    run.run(1)
    asked = staged.uniform.encode(staged.decode(dict(run.twins[-1].parameters)))
    assert min(sum(asked[name] != value for name, value in parent.items()) for parent in encoded) == 1


def test_a_space_of_one_stage_is_refused(medium: SearchSpace, context: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match="got a medium space"):
        StagedSampler(context(medium), "tpe")
