"""Samplers rebuilt from what is stored go on as if they had never stopped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState

import nas
from nas.objectives import Objective
from nas.search import Proposer, Twin, known_samplers
from nas.search.proposer import KEPT_GENERATIONS, POPULATION
from nas.supernet import Supernet
from search_spaces import SearchSpace

SAMPLERS = ("nsga2", "nsga3", "tpe", "random")
ASKS = 65  # NSGA-II then is in its fourth generation
LIMIT = 150  # some three quarters of the space are within it
OBJECTIVES = (Objective("accuracy", "max"), Objective("num_parameters", "min"))
GENERATION = "NSGAIISampler:generation"
GENETIC = {"nsga2": "NSGAIISampler", "nsga3": "NSGAIIISampler"}


@pytest.fixture(scope="module")
def undisturbed(space: SearchSpace, history: Callable[..., Any]) -> Callable[[str], Any]:
    """A run of each sampler without interruption."""
    done: dict[str, Any] = {}

    def run(sampler: str) -> Any:
        if sampler not in done:
            run = history(space, sampler, limit=LIMIT)
            proposer = run.proposer()
            for _ in range(ASKS):
                run.step(proposer)
            done[sampler] = run
        return done[sampler]

    return run


def test_the_simulated_runs_hold_every_kind_of_outcome(undisturbed: Callable[[str], Any]) -> None:
    for sampler in SAMPLERS:
        twins = undisturbed(sampler).twins
        pruned = [t for t in twins if t.values is None and t.violations]
        failed = [t for t in twins if t.values is None and not t.violations]
        assert pruned
        assert failed
        assert len(pruned) + len(failed) < ASKS / 2


def test_nsga2_crosses_several_generations_in_the_simulated_run(undisturbed: Callable[[str], Any]) -> None:
    run = undisturbed("nsga2")
    assert max(twin.attributes[GENERATION] for twin in run.twins) >= 2
    assert any(name.startswith("NSGAIISampler:parent:") for name in run.state)


@pytest.mark.parametrize("sampler", SAMPLERS)
@settings(max_examples=6)
@given(stops=st.sets(st.integers(1, ASKS - 1), min_size=1, max_size=5))
def test_a_run_rebuilt_at_any_points_proposes_the_same(
    undisturbed: Callable[[str], Any],
    space: SearchSpace,
    history: Callable[..., Any],
    sampler: str,
    stops: set[int],
) -> None:
    run = history(space, sampler, limit=LIMIT)
    proposer = run.proposer()
    for number in range(ASKS):
        if number in stops:
            proposer = run.proposer()
        run.step(proposer)
    assert run.asked == undisturbed(sampler).asked


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_run_rebuilt_while_trials_are_open_proposes_the_same(
    space: SearchSpace, history: Callable[..., Any], sampler: str
) -> None:
    def run_in_batches(*, rebuilt: bool) -> list[Any]:
        run = history(space, sampler, limit=LIMIT)
        proposer = run.proposer()
        for _ in range(8):
            batch = []
            for _ in range(4):
                parameters, attributes = proposer.ask()
                batch.append(run.outcome(parameters, attributes))
                run.twins.append(Twin(parameters=parameters, attributes=attributes, is_open=True))
                run.state = proposer.state()
                if rebuilt:
                    proposer = run.proposer()
            for number, twin in enumerate(batch, start=len(run.twins) - len(batch)):
                proposer.tell(number, twin)
                run.twins[number] = twin
        return list(run.asked)

    assert run_in_batches(rebuilt=True) == run_in_batches(rebuilt=False)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_another_seed_proposes_other_sub_networks(
    space: SearchSpace, history: Callable[..., Any], sampler: str
) -> None:
    def asked(seed: int) -> list[Any]:
        run = history(space, sampler, seed=seed)
        proposer = run.proposer()
        for _ in range(5):
            run.step(proposer)
        return list(run.asked)

    assert asked(0) == asked(0)
    assert asked(0) != asked(1)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_proposal_is_a_point_of_the_space(
    undisturbed: Callable[[str], Any], space: SearchSpace, sampler: str
) -> None:
    for parameters in undisturbed(sampler).asked:
        assert space.encode(space.decode(parameters)) == parameters


@pytest.mark.parametrize("sampler", GENETIC)
def test_seeds_become_parents(space: SearchSpace, history: Callable[..., Any], sampler: str) -> None:
    run = history(space, sampler)
    proposer = run.proposer()
    corner = space.encode(space.largest())
    for _ in range(POPULATION):
        twin = Twin(parameters=corner, attributes=proposer.seed_attributes(), values=(1.0, 1.0))
        proposer.add(twin)
        run.twins.append(twin)
    run.step(proposer)
    assert run.twins[-1].attributes[f"{GENETIC[sampler]}:generation"] == 1
    (parents,) = (ids for name, ids in proposer.state().items() if name.endswith(":parent:1"))
    assert set(parents) == set(range(POPULATION))
    shared = sum(run.asked[-1][name] == value for name, value in corner.items())
    assert shared >= len(corner) - 2  # children of equal parents differ from them by mutation alone


def test_without_the_generation_attribute_seeds_are_no_parents(
    space: SearchSpace, history: Callable[..., Any]
) -> None:
    run = history(space, "nsga2")
    proposer = run.proposer()
    for _ in range(POPULATION):
        proposer.add(Twin(parameters=space.encode(space.largest()), attributes={}, values=(1.0, 1.0)))
    assert proposer.ask()[1][GENERATION] == 0


def test_a_late_seed_joins_the_newest_generation(undisturbed: Callable[[str], Any]) -> None:
    run = undisturbed("nsga2")
    newest = max(twin.attributes[GENERATION] for twin in run.twins)
    assert run.proposer().seed_attributes() == {GENERATION: newest}


@pytest.mark.parametrize("sampler", ["tpe", "random", "gp", "evolution", "grid"])
def test_seeds_of_other_samplers_need_no_attribute(space: SearchSpace, sampler: str) -> None:
    assert Proposer(space, OBJECTIVES, sampler=sampler, seed=0).seed_attributes() == {}


def test_only_the_newest_notes_of_the_sampler_are_kept(
    space: SearchSpace, history: Callable[..., Any]
) -> None:
    run = history(space, "nsga2", limit=10**9)
    proposer = run.proposer()
    for _ in range(POPULATION * (KEPT_GENERATIONS + 3)):
        run.step(proposer)
    kept = sorted(int(name.rpartition(":")[2]) for name in run.state)
    newest = max(twin.attributes[GENERATION] for twin in run.twins)
    assert kept == list(range(newest - KEPT_GENERATIONS + 1, newest + 1))


def test_infeasible_twins_are_pruned_with_their_constraints(space: SearchSpace) -> None:
    proposer = Proposer(space, OBJECTIVES, sampler="tpe", seed=0)
    parameters, attributes = proposer.ask()
    proposer.tell(0, Twin(parameters=parameters, attributes=attributes, violations={"size <= 3": 0.5}))
    trial = proposer.study.trials[0]
    assert trial.state is TrialState.PRUNED
    assert trial.constraints == {"size <= 3": 0.5}


def test_failed_twins_have_no_constraints(space: SearchSpace) -> None:
    proposer = Proposer(space, OBJECTIVES, sampler="tpe", seed=0)
    parameters, attributes = proposer.ask()
    proposer.tell(0, Twin(parameters=parameters, attributes=attributes))
    assert proposer.study.trials[0].state is TrialState.FAIL
    assert proposer.study.trials[0].constraints == {}


def _share_of_large(space: SearchSpace, *, failing: bool) -> float:
    """How often TPE proposes wide sub-networks, which score ever better up to a width where none has a score.

    Those are either infeasible or have failed.
    """
    proposer = Proposer(space, OBJECTIVES, sampler="tpe", seed=1)
    large = 0
    for number in range(80):
        parameters, attributes = proposer.ask()
        width = parameters["intermediate_size"]
        large += width > 32 and number >= 40
        violations = {} if failing else {"ffn": width / 32 - 1}
        values = None if width > 32 else (width / 64, 1.0)
        proposer.tell(
            number, Twin(parameters=parameters, attributes=attributes, values=values, violations=violations)
        )
    return large / 40


def test_tpe_learns_from_infeasible_twins_and_ignores_failed_ones(space: SearchSpace) -> None:
    assert _share_of_large(space, failing=False) < 0.5  # half of the space is too wide
    assert _share_of_large(space, failing=True) > 0.8


def test_a_twin_that_is_told_twice_keeps_its_first_result(space: SearchSpace) -> None:
    proposer = Proposer(space, OBJECTIVES, sampler="random", seed=0)
    parameters, attributes = proposer.ask()
    proposer.tell(0, Twin(parameters=parameters, attributes=attributes, values=(0.5, 2.0)))
    proposer.tell(0, Twin(parameters=parameters, attributes=attributes, values=(0.1, 9.0)))
    assert proposer.study.trials[0].values == [0.5, 2.0]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_sub_network_outside_the_space_takes_its_number_and_teaches_nothing(
    space: SearchSpace, history: Callable[..., Any], sampler: str
) -> None:
    run = history(space, sampler)
    run.twins.append(Twin(parameters={}, attributes=run.proposer().seed_attributes(), is_open=True))
    proposer = run.proposer()
    proposer.tell(0, Twin(parameters={}, attributes={}, values=(1.0, 1.0)))
    for _ in range(POPULATION + 5):
        run.step(proposer)
    assert [trial.number for trial in proposer.study.trials] == list(range(POPULATION + 6))
    assert proposer.study.trials[0].state is TrialState.FAIL


def test_unevenly_spaced_choices_are_proposed_by_index(supernet: Supernet) -> None:
    space = supernet.space("uniform", choices={"intermediate_size": [8, 16, 64]})
    proposer = Proposer(space, OBJECTIVES, sampler="random", seed=0)
    proposals = [proposer.ask()[0] for _ in range(30)]
    assert {parameters["intermediate_size"] for parameters in proposals} == {0, 1, 2}
    assert all(space.decode(parameters) in space for parameters in proposals)


def test_a_single_objective_is_searched_too(space: SearchSpace) -> None:
    for sampler in SAMPLERS:
        proposer = Proposer(space, OBJECTIVES[:1], sampler=sampler, seed=0)
        for number in range(POPULATION + 5):
            parameters, attributes = proposer.ask()
            proposer.tell(number, Twin(parameters=parameters, attributes=attributes, values=(0.1 * number,)))
        assert proposer.study.best_trial.number == POPULATION + 4


def test_an_unknown_sampler_is_refused_with_the_nearest_known_one(space: SearchSpace) -> None:
    assert set(SAMPLERS) < set(known_samplers())
    with pytest.raises(nas.ConfigError, match=r"unknown sampler 'evolutoin'.*did you mean evolution\?"):
        Proposer(space, OBJECTIVES, sampler="evolutoin", seed=0)
