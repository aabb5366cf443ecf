"""Proposing, recording and telling a trial of 40 dimensions, against Optuna's own database.

One study runs through the ledger. Then the very same history is copied into an SQLite file of Optuna's, and
both go on in turn, with the same sampler, parameters by the dozen and no evaluation. Both files are in WAL
mode and synchronous=FULL. Copying spares Optuna the first trials, which would take minutes.
"""

from __future__ import annotations

import functools
import sqlite3
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from inspect import isfunction
from pathlib import Path
from typing import Any, Final

import numpy as np
import optuna
import torch
from optuna.storages import RDBStorage
from transformers import BertConfig, BertForSequenceClassification

from benchmarks.table import Goal, Row, median_of, shown
from nas.families import family_of
from nas.objectives import parse_objectives
from nas.search import Proposer
from nas.search.proposer import Twin
from nas.study.session import Session
from nas.study.spec import StudySpec
from search_spaces import ModelShape, SearchSpace, Workload, build_space
from storage import Ledger, StudyState, TrialRecord

SAMPLERS: Final = ("random", "nsga2", "tpe")
_LAYERS: Final = 20
_NAME: Final = "benchmark"
_GOAL: Final = Goal(">=", 20.0)
_FLAT: Final = Goal("<=", 1.2)


def run(*, quick: bool) -> list[Row]:
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    trials, pairs = (30, 3) if quick else (1000, 60)
    rows = []
    for sampler in SAMPLERS:
        with tempfile.TemporaryDirectory() as folder:
            rows += _compare(sampler, Path(folder), trials=trials, pairs=pairs)
    return rows


class _Trials:
    """Seconds of each trial, of the whole and inside the storage, wall and CPU."""

    def __init__(self) -> None:
        self.whole: list[tuple[float, float]] = []
        self.storage: list[tuple[float, float]] = []

    def add(self, trial: Callable[[], None], inside: _Stopwatch) -> None:
        before, start = inside.total, _now()
        trial()
        end = _now()
        self.whole.append((end[0] - start[0], end[1] - start[1]))
        self.storage.append((inside.total[0] - before[0], inside.total[1] - before[1]))

    def cpu_ms(self, part: str, which: slice) -> float:
        """Median CPU time of some trials."""
        samples: list[tuple[float, float]] = getattr(self, part)[which]
        return 1000 * float(np.median([cpu for _, cpu in samples]))


class _Stopwatch:
    """Adds up the time inside an object's methods; a method that calls another counts once."""

    def __init__(self, target: object, methods: Sequence[str]) -> None:
        self.total = (0.0, 0.0)
        self._depth = 0
        for name in methods:
            setattr(target, name, self._timed(getattr(target, name)))

    def _timed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def timed(*arguments: Any, **options: Any) -> Any:
            start = _now()
            self._depth += 1
            try:
                return method(*arguments, **options)
            finally:
                self._depth -= 1
                if self._depth == 0:
                    end = _now()
                    self.total = (self.total[0] + end[0] - start[0], self.total[1] + end[1] - start[1])

        return timed


class _Ours:
    """A study in the ledger."""

    def __init__(self, folder: Path, sampler: str, space: SearchSpace) -> None:
        self.space = space
        self.spec = _spec(space, sampler)
        self.ledger = Ledger.open(f"sqlite:///{folder / 'nas.db'}")
        record = self.ledger.create_study(_NAME, spec=self.spec.to_json(), fingerprint={}, seed=0)
        self.session = Session(self.ledger, record, self.spec, space)
        for baseline in self.session.open_trials():
            self._finish(baseline)
        self.inside = _Stopwatch(self.ledger, ("propose", "dispatch", "complete", "trial"))
        self.trials = _Trials()

    def one_trial(self) -> None:
        """All that the driver does for a trial besides evaluating it."""
        (record,) = self.session.ask(1)
        self._finish(record)

    def _finish(self, record: TrialRecord) -> None:
        self.ledger.dispatch(self.session.lease, record.number)
        self.session.complete(record.number, {"accuracy": _accuracy(record.parameters)})
        self.session.tell(record.number)

    def copy_to(self, storage: RDBStorage) -> None:
        """The history, the sampler's notes included, as a study of Optuna's."""
        copy = Proposer(self.space, self.spec.objectives, sampler=self.spec.sampler, seed=1, name=_NAME)
        for trial in self.ledger.trials(self.session.study_id):
            metrics = {**trial.costs, **(trial.metrics or {})}
            values = [metrics[objective.metric] for objective in self.spec.objectives]
            copy.add(Twin(parameters=trial.parameters, attributes=trial.sampler_attributes, values=values))
        copy.restore(self.ledger.study(_NAME).sampler_state["sampler"])
        optuna.copy_study(from_study_name=_NAME, from_storage=copy.study._storage, to_storage=storage)

    def close(self) -> None:
        self.session.close(StudyState.PAUSED)
        self.ledger.close()


class _Optunas:
    """The same study in Optuna's tables."""

    def __init__(self, folder: Path, ours: _Ours) -> None:
        path = folder / "optuna.db"
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        connection.close()
        storage = RDBStorage(f"sqlite:///{path}")
        ours.copy_to(storage)
        self.inside = _Stopwatch(storage, _methods_of(RDBStorage))
        sampler = Proposer(ours.space, ours.spec.objectives, sampler=ours.spec.sampler, seed=1).study.sampler
        self.study = optuna.load_study(study_name=_NAME, storage=storage, sampler=sampler)
        self._storage = storage
        self._space, self._spec = ours.space, ours.spec
        self._distributions = _distributions(ours.space)
        self.trials = _Trials()

    def one_trial(self) -> None:
        trial = self.study.ask(dict(self._distributions))
        cost = self._spec.costs(self._space.decode(trial.params))["num_parameters"]
        self.study.tell(trial, [_accuracy(trial.params), cost])

    def close(self) -> None:
        self._storage.remove_session()
        self._storage.engine.dispose()


def _compare(sampler: str, folder: Path, *, trials: int, pairs: int) -> list[Row]:
    ours = _Ours(folder, sampler, build_space("medium", _shape()))
    for _ in range(trials):
        ours.trials.add(ours.one_trial, ours.inside)
    optunas = _Optunas(folder, ours)
    for _ in range(pairs):
        ours.trials.add(ours.one_trial, ours.inside)
        optunas.trials.add(optunas.one_trial, optunas.inside)
    rows = [
        _ratio_row("storage", sampler, ours.trials, optunas.trials, trials=trials),
        _ratio_row("whole", sampler, ours.trials, optunas.trials, trials=trials),
        _flat_row(sampler, ours.trials, trials=trials),
    ]
    ours.close()
    optunas.close()
    return rows


def _ratio_row(part: str, sampler: str, ours: _Trials, optunas: _Trials, *, trials: int) -> Row:
    """Optuna ÷ ours after `trials` trials; the part outside the storage is the same sampler for both."""
    theirs: list[tuple[float, float]] = getattr(optunas, part)
    own: list[tuple[float, float]] = getattr(ours, part)[trials:]
    wall, cpu = (
        median_of([a[clock] / b[clock] for a, b in zip(theirs, own, strict=True)]) for clock in (0, 1)
    )
    after = slice(trials, None)
    also = (
        f"wall {shown(wall)}; CPU {ours.cpu_ms(part, after):.3g} against "
        f"{optunas.cpu_ms(part, slice(None)):.3g} ms a trial, {len(own)} pairs"
    )
    name = "storage part" if part == "storage" else "ask + record + tell, sampler included"
    return Row(
        case=f"Optuna's RDB ÷ ours, {name}, {sampler}, {trials} trials",
        figure=cpu,
        goal=_GOAL if part == "storage" else None,
        also=also,
    )


def _flat_row(sampler: str, ours: _Trials, *, trials: int) -> Row:
    """Growth of the storage part over the study."""
    stretch = max(1, min(100, trials // 3))
    first, last = ours.storage[:stretch], ours.storage[trials - stretch : trials]
    growth = median_of([b[1] / a[1] for a, b in zip(first, last, strict=True)])
    whole = [ours.cpu_ms("whole", which) for which in (slice(stretch), slice(trials - stretch, trials))]
    return Row(
        case=f"ours, storage part, last {stretch} ÷ first {stretch} trials, {sampler}",
        figure=growth,
        goal=_FLAT,
        also=f"sampler included CPU {whole[0]:.3g} → {whole[1]:.3g} ms a trial",
    )


def _methods_of(kind: type) -> list[str]:
    """Optuna's cache in front of the database calls private methods too."""
    return [name for name, value in vars(kind).items() if isfunction(value) and not name.startswith("__")]


def _shape() -> ModelShape:
    with torch.device("meta"):
        model = BertForSequenceClassification(BertConfig(num_hidden_layers=_LAYERS))
    return family_of("bert").describe(model)


def _spec(space: SearchSpace, sampler: str) -> StudySpec:
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


def _distributions(space: SearchSpace) -> dict[str, optuna.distributions.BaseDistribution]:
    return {
        d.name: optuna.distributions.IntDistribution(d.bounds[0], d.bounds[1], step=d.bounds[2])
        for d in space.dimensions
    }


def _accuracy(parameters: Any) -> float:
    """Any function with a trade-off will do: the more is kept the better, the first layers most."""
    kept = np.array([float(value) for value in parameters.values()])
    return float(np.tanh(np.sqrt(kept) @ (1 / np.arange(1, len(kept) + 1)) / 100))


def _now() -> tuple[float, float]:
    """Seconds of wall time and of the process's CPU time."""
    return time.perf_counter(), time.process_time()
