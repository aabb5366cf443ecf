"""A large study in a ledger, filled without any evaluation: what views, pages and load are measured on.

python -m benchmarks filled_study --storage sqlite:///filled.db --trials 20000 --name filled
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection

from benchmarks.stopwatch import Time
from benchmarks.studies import accuracy_of, shape_of, spec_of
from nas.objectives import parse_constraints
from nas.study.spec import StudySpec
from search_spaces import SearchSpace, SubnetConfig, build_space
from storage import Lease, Ledger, Proposal, StudyState, TrialState, UnknownStudyError, transitions

_LAYERS: Final = 6
_CHUNK: Final = 1000
_LEASE_S: Final = 3600.0
#: One trial in so many fails, is paused, or was found to break a budget before it was evaluated.
_FAILED, _PAUSED, _INFEASIBLE = 97, 11, 53
_NUM_BASELINES: Final = 9
_FULL_ACCURACY: Final = 0.93


@dataclass(frozen=True, slots=True)
class _Definition:
    space: SearchSpace
    spec: StudySpec


def filled_study(url: str, num_trials: int, name: str) -> None:
    """Make a finished study of so many trials, unless there is one of that name.

    It has a front, baselines, a budget, and trials that were paused, failed or never evaluated. Equal
    arguments give equal studies, times left out.
    """
    definition = _definition()
    with Ledger.open(url, upgrade=True) as ledger:
        try:
            ledger.study(name)
        except UnknownStudyError:
            pass
        else:
            return
        ledger.create_study(name, spec=definition.spec.to_json(), fingerprint={}, seed=0)
        lease = ledger.acquire(name, owner="filler", seconds=_LEASE_S)
        try:
            for first in range(0, num_trials, _CHUNK):
                _add_chunk(ledger, lease, definition, range(first, min(first + _CHUNK, num_trials)))
            ledger.set_study_state(lease, StudyState.COMPLETED)
        finally:
            ledger.release(lease)


def add_trial(url: str, name: str) -> int:
    """One trial more, evaluated to the end; its number."""
    definition = _definition()
    with Ledger.open(url) as ledger:
        study = ledger.study(name)
        lease = ledger.acquire(name, owner="filler", seconds=_LEASE_S)
        try:
            config = definition.space.sample(np.random.default_rng([9, ledger.last_event_id(study.id)]))
            (record,) = ledger.propose(lease, [_proposal(definition, config, "sampler")])
            ledger.complete(
                study.id, record.number, {"accuracy": _accuracy(record.parameters, record.number)}
            )
        finally:
            ledger.release(lease)
    return record.number


def main(arguments: list[str]) -> None:
    """Fill a study and say how long it took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks filled_study", description=__doc__)
    parser.add_argument("--storage", default="sqlite:///filled.db", help="URL of the database")
    parser.add_argument("--trials", type=int, default=20_000, help="of the study")
    parser.add_argument("--name", default="filled", help="of the study")
    given = parser.parse_args(arguments)
    start = Time.now()
    filled_study(given.storage, given.trials, given.name)
    print(f"{given.trials} trials: {(Time.now() - start).wall:.1f} s", file=sys.stderr)


def _definition() -> _Definition:
    space = build_space("medium", shape_of(_LAYERS))
    supernet = {"task": "text-classification", "provenance": {"source": "bert-six-layers"}, "sha256": ""}
    budget = parse_constraints(("num_parameters <= 0.75 * baseline",))
    spec = replace(spec_of(space, "random"), constraints=budget, supernet=supernet)
    return _Definition(space, spec)


def _add_chunk(ledger: Ledger, lease: Lease, definition: _Definition, numbers: range) -> None:
    """Many trials share a commit, other than in a search; the statements are the ledger's own."""
    proposals = [_nth(definition, number) for number in numbers]
    ledger.propose(lease, proposals, first=numbers.start)

    def finish(connection: Connection) -> None:
        for number, proposal in zip(numbers, proposals, strict=True):
            if proposal.state is TrialState.PROPOSED:
                _end(connection, lease, number, proposal)

    ledger._database.write(finish)


def _end(connection: Connection, lease: Lease, number: int, proposal: Proposal) -> None:
    transitions.dispatch(connection, lease, number, "node-1", 1)
    is_baseline = proposal.origin != "sampler"
    accuracy = {"accuracy": _accuracy(proposal.parameters, number)}
    if not is_baseline and number % _FAILED == 0:
        transitions.fail(connection, lease, number, reason="oom", message="out of memory")
    elif not is_baseline and number % _PAUSED == 0:
        transitions.pause(connection, lease, number, accuracy, reason="dominated")
    else:
        transitions.complete(connection, lease.study_id, number, accuracy, worker=None, seconds=1.0)


def _nth(definition: _Definition, number: int) -> Proposal:
    """The full model first, then a ladder of uniform sub-networks, then ones drawn at random."""
    space = definition.space
    if number == 0:
        full = SubnetConfig.full(definition.spec.shape)
        return replace(_proposal(definition, full, "baseline:full"), parameters={})
    if number < _NUM_BASELINES:
        ladder = list(space.uniform_ladder(_NUM_BASELINES + 1))
        return _proposal(definition, ladder[number], "baseline:uniform_ladder")
    proposal = _proposal(definition, space.sample(np.random.default_rng([7, number])), "sampler")
    if number % _INFEASIBLE:
        return proposal
    return replace(proposal, state=TrialState.INFEASIBLE, reason="num_parameters is above its budget")


def _proposal(definition: _Definition, config: SubnetConfig, origin: str) -> Proposal:
    parameters: dict[str, Any] = dict(definition.space.encode(config)) if origin != "baseline:full" else {}
    return Proposal(
        key=config.key,
        config=config.to_json(),
        parameters=parameters,
        sampler_attributes={},
        costs=definition.spec.costs(config),
        origin=origin,
    )


def _accuracy(parameters: Any, number: int) -> float:
    """A trade-off with noise; of the full model, which is no point of the space, a number of its own."""
    if not parameters:
        return _FULL_ACCURACY
    noise = np.random.default_rng([8, number]).normal(0.0, 0.004)
    return float(np.clip(accuracy_of(parameters) + noise, 0.0, 1.0))
