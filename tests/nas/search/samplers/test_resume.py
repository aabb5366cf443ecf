"""A study rebuilt from its trials goes on with the same proposal, whatever the sampler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nas.search import Twin, known_samplers
from nas.supernet import Supernet
from search_spaces import SearchSpace

SAMPLERS = tuple(name for name in known_samplers() if name != "gp")


@pytest.fixture(params=["medium", "staged"])
def per_layer(supernet: Supernet, request: pytest.FixtureRequest) -> SearchSpace:
    """Both per-layer spaces."""
    return supernet.space(request.param)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_next_proposal_is_the_same(
    per_layer: SearchSpace, search: Callable[..., Any], sampler: str
) -> None:
    run = search(per_layer, sampler, budget=0.8)
    run.add_seeds(())
    run.run(30)
    rebuilt = run.rebuilt()
    assert rebuilt.ask() == run.proposer.ask()
    assert rebuilt.state() == run.proposer.state()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_next_proposal_is_the_same_while_trials_are_open(
    per_layer: SearchSpace, search: Callable[..., Any], sampler: str
) -> None:
    run = search(per_layer, sampler)
    run.run(12)
    for _ in range(3):
        parameters, attributes = run.proposer.ask()
        run.twins.append(Twin(parameters=parameters, attributes=attributes, is_open=True))
    run.state = run.proposer.state()
    assert run.rebuilt().ask() == run.proposer.ask()


def test_a_gaussian_process_proposes_the_same_again(space: SearchSpace, search: Callable[..., Any]) -> None:
    run = search(space, "gp", floor=0.3)
    run.run(21)
    rebuilt = run.rebuilt()
    parameters, attributes = rebuilt.ask()
    assert (parameters, attributes) == run.proposer.ask()
    assert any(name.startswith("gp:") for name in attributes)  # the process was asked, not chance
