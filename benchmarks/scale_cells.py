"""What is measured of a large study; each function runs in a process of its own, whose memory is its own."""

from __future__ import annotations

import resource
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import optuna
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler
from optuna.storages import RDBStorage

from benchmarks.scale_study import NAME, Definition, fill_ledger, fill_optuna, num_trials
from benchmarks.stopwatch import Time
from benchmarks.studies import accuracy_of, distributions_of
from nas.pareto import non_dominated_up_to_ties
from nas.search.proposer import POPULATION
from nas.study.session import Session
from nas.study.stored_study import StoredStudy
from search_spaces import SubnetConfig
from storage import Ledger, Proposal, StudyState

Figures = dict[str, float]

ASKS: Final = 40
LOOKS: Final = 20
WRITES: Final = 200
_SAMPLERS: Final[Mapping[str, Callable[[], BaseSampler]]] = {
    "random": lambda: RandomSampler(seed=1),
    "nsga2": lambda: NSGAIISampler(population_size=POPULATION, seed=1),
}


def fill(url: str, trials: int) -> Figures:
    """Makes the study, or fills it up."""
    with Ledger.open(url) as ledger:
        spent, study = _timed(lambda: fill_ledger(ledger, Definition.of("random"), trials))
        return _figures([spent], trials=num_trials(ledger, study.id))


def history(url: str) -> Figures:
    """Reads every trial."""
    with Ledger.open(url) as ledger:
        study_id = ledger.study(NAME).id
        spent, trials = _timed(lambda: ledger.trials(study_id))
        return _figures([spent], trials=len(trials), bytes=_peak_bytes())


def resume(url: str, sampler: str) -> dict[str, Figures]:
    """Makes a driver's session of the study, then asks it for trials."""
    definition = Definition.of(sampler)
    with Ledger.open(url) as ledger:
        study = ledger.study(NAME)
        spent, session = _timed(lambda: Session(ledger, study, definition.spec, definition.space))
        peak = _peak_bytes()
        asks = []
        for _ in range(ASKS):
            asked, (record,) = _timed(lambda: session.ask(1))
            asks.append(asked)
            ledger.dispatch(session.lease, record.number, attempt=1)
            session.complete(record.number, {"accuracy": accuracy_of(record.parameters)})
            session.tell(record.number)
        session.close(StudyState.PAUSED)
    return {"resume": _figures([spent], bytes=peak), "ask": _figures(asks)}


def front(url: str) -> dict[str, Figures]:
    """Asks a study for its front, then again and again after another trial."""
    definition = Definition.of("random")
    with Ledger.open(url) as ledger:
        stored = StoredStudy(ledger, NAME, definition.spec)
        first, members = _timed(lambda: stored.best_trials)
        peak, looks = _peak_bytes(), []
        with _writer(ledger, definition) as write:
            for _ in range(LOOKS):
                write()
                looks.append(_timed(lambda: stored.best_trials)[0])
    return {"first": _figures([first], size=len(members), bytes=peak), "next": _figures(looks)}


def front_of_columns(url: str) -> Figures:
    """Finds the numbers of the same front from the ledger's columns, nothing being known before."""
    with Ledger.open(url) as ledger:
        study_id = ledger.study(NAME).id
        found = [_timed(lambda: _front_of_columns(ledger, study_id)) for _ in range(LOOKS)]
    return _figures([spent for spent, _ in found], size=len(found[0][1]), bytes=_peak_bytes())


def _front_of_columns(ledger: Ledger, study_id: int) -> list[int]:
    results = ledger.results(study_id, ["accuracy", "num_parameters"])
    values = np.array([results.values["accuracy"], results.values["num_parameters"]], dtype=float).T
    values[:, 0] *= -1  # the front is that of minimised values
    mask = non_dominated_up_to_ties(np.stack([values, values], axis=2))
    return [number for number, is_on in zip(results.numbers, mask, strict=True) if is_on]


def writes(url: str) -> Figures:
    """Proposes and completes trials one by one, each of the two durable before the next begins."""
    definition = Definition.of("random")
    with Ledger.open(url) as ledger, _writer(ledger, definition) as write:
        figures = {}
        for name, is_dispatched in (("per_second", False), ("with_dispatch", True)):
            start = time.perf_counter()
            for _ in range(WRITES):
                write(is_dispatched=is_dispatched)
            figures[name] = WRITES / (time.perf_counter() - start)
    return figures


def optuna_fill(url: str, trials: int) -> Figures:
    """Copies the same trials into Optuna's tables."""
    storage = _optuna_storage(url)
    spent, _ = _timed(lambda: fill_optuna(storage, Definition.of("random"), trials))
    return _figures([spent])


def optuna_resume(url: str, sampler: str) -> dict[str, Figures]:
    """Loads the study and reads its history once, then asks and tells."""
    storage, definition = _optuna_storage(url), Definition.of(sampler)

    def load() -> optuna.Study:
        study = optuna.load_study(study_name=NAME, storage=storage, sampler=_SAMPLERS[sampler]())
        study.get_trials(deepcopy=False)
        return study

    spent, study = _timed(load)
    peak, distributions = _peak_bytes(), distributions_of(definition.space)
    asks, start = [], time.perf_counter()
    for _ in range(ASKS):
        asked, trial = _timed(lambda: study.ask(dict(distributions)))
        asks.append(asked)
        cost = definition.spec.costs(definition.space.decode(trial.params))["num_parameters"]
        study.tell(trial, [accuracy_of(trial.params), cost])
    per_second = ASKS / (time.perf_counter() - start)
    resumed = _figures([spent], bytes=peak, per_second=per_second)
    return {"resume": resumed, "ask": _figures(asks)}


def optuna_front(url: str) -> Figures:
    """Finds the front of Optuna's study once it is in memory."""
    study = optuna.load_study(study_name=NAME, storage=_optuna_storage(url))
    study.get_trials(deepcopy=False)
    spent, trials = _timed(lambda: study.best_trials)
    return _figures([spent], size=len(trials))


@contextmanager
def _writer(ledger: Ledger, definition: Definition) -> Iterator[Callable[..., None]]:
    """Makes one trial more at each call; the sub-networks are drawn before, so that it only writes."""
    study_id = ledger.study(NAME).id
    lease = ledger.acquire(NAME, owner="writer", seconds=600)
    generator = np.random.default_rng([8, num_trials(ledger, study_id)])
    proposals = iter([_proposal(definition, generator) for _ in range(2 * WRITES)])

    def write(*, is_dispatched: bool = False) -> None:
        (record,) = ledger.propose(lease, [next(proposals)])
        if is_dispatched:
            ledger.dispatch(lease, record.number, "node-1")
        ledger.complete(study_id, record.number, {"accuracy": accuracy_of(record.parameters)})

    yield write
    ledger.release(lease)


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


def _timed(call: Callable[[], Any]) -> tuple[Time, Any]:
    start = Time.now()
    result = call()
    return Time.now() - start, result


def _figures(times: Sequence[Time], **more: float) -> Figures:
    """The 95th percentile of some times, wall and CPU apart, which is the time itself if there is one."""
    wall, cpu = ([getattr(one, clock) for one in times] for clock in ("wall", "cpu"))
    return {"seconds": float(np.quantile(wall, 0.95)), "cpu": float(np.quantile(cpu, 0.95)), **more}


def _peak_bytes() -> int:
    """Largest resident memory of this process so far; Linux counts it in KiB."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
