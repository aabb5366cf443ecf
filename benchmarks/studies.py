"""The same study in our ledger and in Optuna's own database, without any evaluation.

Both SQLite files are in WAL mode with synchronous=FULL.
"""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import isfunction
from pathlib import Path
from typing import Any, Final

import numpy as np
import optuna
import torch
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.storages import RDBStorage
from transformers import BertConfig, BertForSequenceClassification

from benchmarks.stopwatch import Stopwatch, Time
from nas.families import family_of
from nas.objectives import parse_objectives
from nas.search import Proposer
from nas.search.proposer import POPULATION, Twin
from nas.study.session import Session
from nas.study.spec import StudySpec
from search_spaces import ModelShape, SearchSpace, Workload, build_space
from storage import Ledger, StudyState, TrialRecord

_LAYERS: Final = 20
_NAME: Final = "benchmark"
_SAMPLERS: Final[Mapping[str, Callable[[], BaseSampler]]] = {
    "random": lambda: RandomSampler(seed=1),
    "nsga2": lambda: NSGAIISampler(population_size=POPULATION, seed=1),
    "tpe": lambda: TPESampler(multivariate=True, n_startup_trials=POPULATION, seed=1),
}


@dataclass(frozen=True, slots=True)
class Trial:
    """Time of one trial: all of it, and what of it was spent in the storage and on handing it over."""

    whole: Time
    storage: Time
    dispatch: Time


class Study(ABC):
    """A study whose trials are timed."""

    storage: Stopwatch
    dispatch: Stopwatch

    @abstractmethod
    def one_trial(self) -> None:
        """Ask, record and tell."""

    @abstractmethod
    def close(self) -> None:
        """Leave no connection open."""

    def timed_trial(self) -> Trial:
        """Make one trial and tell how long its parts took."""
        storage, dispatch, start = self.storage.total, self.dispatch.total, Time.now()
        self.one_trial()
        whole, handed_over = Time.now() - start, self.dispatch.total - dispatch
        return Trial(whole - handed_over, self.storage.total - storage, handed_over)


class Ours(Study):
    """A study in the ledger."""

    def __init__(self, folder: Path, sampler: str) -> None:
        self.space = build_space("medium", shape_of())
        self.spec = spec_of(self.space, sampler)
        self.ledger = Ledger.open(f"sqlite:///{folder / 'nas.db'}")
        record = self.ledger.create_study(_NAME, spec=self.spec.to_json(), fingerprint={}, seed=0)
        self.session = Session(self.ledger, record, self.spec, self.space)
        for baseline in self.session.open_trials():
            self._finish(baseline)
        self.storage = Stopwatch(self.ledger, ("propose", "complete", "trial"))
        self.dispatch = Stopwatch(self.ledger, ("dispatch",))

    def one_trial(self) -> None:
        """All that the driver does for a trial besides evaluating it."""
        (record,) = self.session.ask(1)
        self._finish(record)

    def _finish(self, record: TrialRecord) -> None:
        self.ledger.dispatch(self.session.lease, record.number)
        self.session.complete(record.number, {"accuracy": accuracy_of(record.parameters)})
        self.session.tell(record.number)

    def copy_to(self, storage: RDBStorage) -> None:
        """The history, the sampler's notes included, as a study of Optuna's."""
        copy = Proposer(self.space, self.spec.objectives, sampler=self.spec.sampler, seed=1, name=_NAME)
        for trial in self.ledger.trials(self.session.study_id):
            metrics = {**trial.costs, **(trial.metrics or {})}
            values = [metrics[objective.metric] for objective in self.spec.objectives]
            parameters = {name: int(value) for name, value in trial.parameters.items()}
            copy.add(Twin(parameters=parameters, attributes=trial.sampler_attributes, values=values))
        copy.restore(self.ledger.study(_NAME).sampler_state["sampler"])
        optuna.copy_study(from_study_name=_NAME, from_storage=copy.study._storage, to_storage=storage)

    def close(self) -> None:
        """See `Study.close`."""
        self.session.close(StudyState.PAUSED)
        self.ledger.close()


class Optunas(Study):
    """The same study in Optuna's tables."""

    def __init__(self, folder: Path, ours: Ours) -> None:
        path = folder / "optuna.db"
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        connection.close()
        storage = RDBStorage(f"sqlite:///{path}")
        ours.copy_to(storage)
        self.storage = Stopwatch(storage, _methods_of(RDBStorage))
        self.dispatch = Stopwatch(storage, ())
        sampler = _SAMPLERS[ours.spec.sampler]
        self.study = optuna.load_study(study_name=_NAME, storage=storage, sampler=sampler())
        self._rdb = storage
        self._space, self._spec = ours.space, ours.spec
        self._distributions = distributions_of(ours.space)

    def one_trial(self) -> None:
        """See `Study.one_trial`."""
        trial = self.study.ask(dict(self._distributions))
        cost = self._spec.costs(self._space.decode(trial.params))["num_parameters"]
        self.study.tell(trial, [accuracy_of(trial.params), cost])

    def close(self) -> None:
        """See `Study.close`."""
        self._rdb.remove_session()
        self._rdb.engine.dispose()


def _methods_of(kind: type) -> list[str]:
    """Optuna's cache in front of the database calls private methods too."""
    return [name for name, value in vars(kind).items() if isfunction(value) and not name.startswith("__")]


def shape_of(layers: int = _LAYERS) -> ModelShape:
    """A BERT of the base size with so many layers."""
    with torch.device("meta"):
        model = BertForSequenceClassification(BertConfig(num_hidden_layers=layers))
    return family_of("bert").describe(model)


def spec_of(space: SearchSpace, sampler: str) -> StudySpec:
    """A study of quality against size, without budgets and without an initial design."""
    return StudySpec(
        shape=space.shape,
        space=space.to_json(),
        objectives=parse_objectives(("max accuracy", "min num_parameters")),
        constraints=(),
        sampler=sampler,
        seed=0,
        design=(),
        target=None,
        workload=Workload(),
        deterministic=False,
        parallel=1,
        supernet={},
    )


def distributions_of(space: SearchSpace) -> dict[str, optuna.distributions.BaseDistribution]:
    """The space in Optuna's words."""
    return {
        d.name: optuna.distributions.IntDistribution(d.bounds[0], d.bounds[1], step=d.bounds[2])
        for d in space.dimensions
    }


def accuracy_of(parameters: Mapping[str, Any]) -> float:
    """Any function with a trade-off will do: the more is kept the better, the first layers most."""
    kept = np.array([float(value) for value in parameters.values()])
    return float(np.tanh(np.sqrt(kept) @ (1 / np.arange(1, len(kept) + 1)) / 100))
