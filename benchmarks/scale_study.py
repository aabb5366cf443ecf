"""A study of many trials, the same in our ledger and in Optuna's tables, filled without any evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import optuna
from optuna.samplers import NSGAIISampler
from optuna.storages import RDBStorage
from optuna.trial import create_trial
from sqlalchemy import Connection

from benchmarks.studies import accuracy_of, distributions_of, shape_of, spec_of
from nas.search.proposer import POPULATION
from nas.study.spec import StudySpec
from search_spaces import SearchSpace, SubnetConfig, build_space
from storage import Lease, Ledger, Proposal, StudyRecord, UnknownTrialError, transitions

LAYERS: Final = 6
NAME: Final = "scale"
_GENERATION: Final = NSGAIISampler._get_generation_key()
_CHUNK: Final = 500
_LEASE_SECONDS: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Definition:
    """What is searched, and with which sampler."""

    space: SearchSpace
    spec: StudySpec

    @staticmethod
    def of(sampler: str) -> Definition:
        """The study of this benchmark under a sampler."""
        space = build_space("medium", shape_of(LAYERS))
        return Definition(space, spec_of(space, sampler))


def fill_ledger(ledger: Ledger, definition: Definition, count: int) -> StudyRecord:
    """A study with `count` finished trials; one that is there is filled up.

    The statements are the ledger's own; other than in a search, many trials share a commit.
    """
    names = [study.name for study in ledger.studies()]
    if NAME not in names:
        ledger.create_study(NAME, spec=definition.spec.to_json(), fingerprint={}, seed=0)
    study = ledger.study(NAME)
    lease = ledger.acquire(NAME, owner="benchmark", seconds=_LEASE_SECONDS)
    try:
        for first in range(num_trials(ledger, study.id), count, _CHUNK):
            _add_chunk(ledger, lease, definition, first, min(_CHUNK, count - first))
    finally:
        ledger.release(lease)
    return study


def fill_optuna(storage: RDBStorage, definition: Definition, count: int) -> None:
    """The same trials as one of Optuna's studies; one that is there is filled up."""
    study = optuna.create_study(
        storage=storage, study_name=NAME, directions=["maximize", "minimize"], load_if_exists=True
    )
    present = len(study.get_trials(deepcopy=False))
    distributions = distributions_of(definition.space)
    for first in range(present, count, _CHUNK):
        trials = [
            create_trial(
                values=[accuracy_of(one.parameters), one.costs["num_parameters"]],
                params=dict(one.parameters),
                distributions=dict(distributions),
                system_attrs=dict(one.sampler_attributes),
            )
            for one in _proposals(definition, first, min(_CHUNK, count - first))
            if one.parameters
        ]
        study.add_trials(trials)


def num_trials(ledger: Ledger, study_id: int) -> int:
    """Trials of a study, found without reading them."""
    low, high = 0, 1
    while _is_stored(ledger, study_id, high - 1):
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if _is_stored(ledger, study_id, middle) else (low, middle)
    return low


def _is_stored(ledger: Ledger, study_id: int, number: int) -> bool:
    try:
        ledger.trial(study_id, number)
    except UnknownTrialError:
        return False
    return True


def _add_chunk(ledger: Ledger, lease: Lease, definition: Definition, first: int, count: int) -> None:
    proposals = list(_proposals(definition, first, count))
    ledger.propose(lease, proposals, first=first)

    def finish(connection: Connection) -> None:
        for number, proposal in enumerate(proposals, start=first):
            transitions.dispatch(connection, lease, number, "node-1", 1)
            metrics = {"accuracy": _accuracy(definition, proposal)}
            transitions.complete(connection, lease.study_id, number, metrics, worker=None, seconds=1.0)

    ledger._database.write(finish)


def _proposals(definition: Definition, first: int, count: int) -> Iterator[Proposal]:
    """The full model as number 0, then sub-networks drawn at random, by the number of the first."""
    generator = np.random.default_rng([7, first])
    for number in range(first, first + count):
        if number == 0:
            config = SubnetConfig.full(definition.spec.shape)
            yield _proposal(definition, config, {}, "baseline:full", number)
        else:
            config = definition.space.sample(generator)
            yield _proposal(definition, config, definition.space.encode(config), "sampler", number)


def _proposal(
    definition: Definition, config: SubnetConfig, parameters: Mapping[str, int], origin: str, number: int
) -> Proposal:
    attributes: dict[str, Any] = {_GENERATION: number // POPULATION}
    return Proposal(
        key=config.key,
        config=config.to_json(),
        parameters=parameters,
        sampler_attributes=attributes,
        costs=definition.spec.costs(config),
        origin=origin,
    )


def _accuracy(definition: Definition, proposal: Proposal) -> float:
    """Of the full model, which is no point of the space, the most that there is."""
    return accuracy_of(proposal.parameters) if proposal.parameters else 1.0
