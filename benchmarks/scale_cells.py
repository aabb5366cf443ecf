"""What is measured of a large study; each function runs in a process of its own, whose memory is its own."""

from __future__ import annotations

import resource
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import optuna
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler
from optuna.storages import RDBStorage

from benchmarks.scale_study import NAME, Definition, fill_ledger, fill_optuna, num_trials
from benchmarks.studies import accuracy_of, distributions_of
from nas.search.proposer import POPULATION
from nas.study.session import Session
from nas.study.stored_study import StoredStudy
from search_spaces import SubnetConfig
from storage import Ledger, Proposal, StudyState

Figures = dict[str, float]

ASKS: Final = 40
FRONTS: Final = 5
WRITES: Final = 200
_SAMPLERS: Final[Mapping[str, Callable[[], BaseSampler]]] = {
    "random": lambda: RandomSampler(seed=1),
    "nsga2": lambda: NSGAIISampler(population_size=POPULATION, seed=1),
}


def fill(url: str, trials: int) -> Figures:
    """Makes the study, or fills it up."""
    with Ledger.open(url) as ledger:
        seconds, study = _timed(lambda: fill_ledger(ledger, Definition.of("random"), trials))
        return {"seconds": seconds, "trials": num_trials(ledger, study.id)}


def history(url: str) -> Figures:
    """Reads every trial."""
    with Ledger.open(url) as ledger:
        study_id = ledger.study(NAME).id
        before = _peak_bytes()
        seconds, trials = _timed(lambda: ledger.trials(study_id))
        return {"seconds": seconds, "trials": len(trials), "bytes": _peak_bytes(), "before": before}


def resume(url: str, sampler: str) -> Figures:
    """Makes a driver's session of the study, then asks it for trials."""
    definition = Definition.of(sampler)
    with Ledger.open(url) as ledger:
        study = ledger.study(NAME)
        seconds, session = _timed(lambda: Session(ledger, study, definition.spec, definition.space))
        peak = _peak_bytes()
        asks: list[tuple[float, Any]] = []
        for _ in range(ASKS):
            asks.append(_timed(lambda: session.ask(1)))
            (record,) = asks[-1][1]
            ledger.dispatch(session.lease, record.number, attempt=1)
            session.complete(record.number, {"accuracy": accuracy_of(record.parameters)})
            session.tell(record.number)
        session.close(StudyState.PAUSED)
    times = [one for one, _ in asks]
    return {"seconds": seconds, "bytes": peak, "ask": _p95(times), "first_ask": times[0]}


def front(url: str) -> Figures:
    """Finds the front of the study again and again."""
    with Ledger.open(url) as ledger:
        stored = StoredStudy(ledger, NAME, Definition.of("random").spec)
        times = [_timed(lambda: stored.best_trials) for _ in range(FRONTS)]
    return {"seconds": _p95([one for one, _ in times]), "size": len(times[0][1]), "bytes": _peak_bytes()}


def writes(url: str) -> Figures:
    """Proposes and completes trials one by one, each of the two durable before the next begins."""
    definition = Definition.of("random")
    with Ledger.open(url) as ledger:
        study = ledger.study(NAME)
        lease = ledger.acquire(NAME, owner="writer", seconds=600)
        generator = np.random.default_rng([8, num_trials(ledger, study.id)])
        proposals = [_proposal(definition, generator) for _ in range(WRITES)]
        start = time.perf_counter()
        for proposal in proposals:
            (record,) = ledger.propose(lease, [proposal])
            ledger.complete(study.id, record.number, {"accuracy": 0.5})
        per_second = WRITES / (time.perf_counter() - start)
        start = time.perf_counter()
        _write_with_dispatch(ledger, lease, [_proposal(definition, generator) for _ in range(WRITES)])
        with_dispatch = WRITES / (time.perf_counter() - start)
        ledger.release(lease)
    return {"per_second": per_second, "with_dispatch": with_dispatch}


def optuna_fill(url: str, trials: int) -> Figures:
    """Copies the same trials into Optuna's tables."""
    storage = _optuna_storage(url)
    seconds, _ = _timed(lambda: fill_optuna(storage, Definition.of("random"), trials))
    return {"seconds": seconds}


def optuna_resume(url: str, sampler: str) -> Figures:
    """Loads the study and reads its history once, then asks and tells."""
    storage, definition = _optuna_storage(url), Definition.of(sampler)

    def load() -> optuna.Study:
        study = optuna.load_study(study_name=NAME, storage=storage, sampler=_SAMPLERS[sampler]())
        study.get_trials(deepcopy=False)
        return study

    seconds, study = _timed(load)
    peak, distributions = _peak_bytes(), distributions_of(definition.space)
    asks, start = [], time.perf_counter()
    for _ in range(ASKS):
        spent, trial = _timed(lambda: study.ask(dict(distributions)))
        asks.append(spent)
        cost = definition.spec.costs(definition.space.decode(trial.params))["num_parameters"]
        study.tell(trial, [accuracy_of(trial.params), cost])
    per_second = ASKS / (time.perf_counter() - start)
    return {"seconds": seconds, "bytes": peak, "ask": _p95(asks), "per_second": per_second}


def optuna_front(url: str) -> Figures:
    """Finds the front of Optuna's study once it is in memory."""
    study = optuna.load_study(study_name=NAME, storage=_optuna_storage(url))
    study.get_trials(deepcopy=False)
    seconds, trials = _timed(lambda: study.best_trials)
    return {"seconds": seconds, "size": len(trials)}


def _write_with_dispatch(ledger: Ledger, lease: Any, proposals: list[Proposal]) -> None:
    for proposal in proposals:
        (record,) = ledger.propose(lease, [proposal])
        ledger.dispatch(lease, record.number, "node-1")
        ledger.complete(lease.study_id, record.number, {"accuracy": 0.5})


def _proposal(definition: Definition, generator: np.random.Generator) -> Proposal:
    config: SubnetConfig = definition.space.sample(generator)
    return Proposal(
        key=config.key,
        config=config.to_json(),
        parameters=definition.space.encode(config),
        sampler_attributes={},
        costs=definition.spec.costs(config),
        origin="sampler",
    )


def _optuna_storage(url: str) -> RDBStorage:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    return RDBStorage(url)


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def _p95(times: list[float]) -> float:
    return float(np.quantile(times, 0.95))


def _peak_bytes() -> int:
    """Largest resident memory of this process so far; Linux counts it in KiB."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
