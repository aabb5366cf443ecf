"""The database goes away while a search runs: nobody dies, what ended is kept and written when it is back."""

from __future__ import annotations

import random
import sqlite3
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

import nas
from nas.study import Study
from nas.study.control import Command
from storage import Ledger, Patience, PatientLedger, StudyState, TrialState, UnreachableError, UnusableError
from storage import database as storage_database
from workers import Completion, SerialPool

MakeStudy = Callable[..., Study]
TOTAL = 16


class Line:
    """The connection to the database, of the main thread: it can be cut, for some tries or for good.

    Attributes:
        is_cut: asked with the number of the transaction whether it fails before it begins.
        loses_reply: likewise, whether it is written but not acknowledged.
    """

    def __init__(self) -> None:
        self.count = 0
        self.is_cut: Callable[[int], bool] = lambda number: False
        self.loses_reply: Callable[[int], bool] = lambda number: False
        self._run = storage_database._in_transaction
        self._thread = threading.get_ident()

    def __call__(self, engine: Any, operation: Any, *, writes: bool) -> Any:
        if threading.get_ident() != self._thread:
            return self._run(engine, operation, writes=writes)
        self.count += 1
        number = self.count
        if self.is_cut(number):
            raise lost()
        result = self._run(engine, operation, writes=writes)
        if writes and self.loses_reply(number):
            raise storage_database._CommitLostError from lost()
        return result


def lost() -> OperationalError:
    return OperationalError(
        "COMMIT", None, Exception("server closed the connection"), connection_invalidated=True
    )


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    monkeypatch.setattr("storage.database.RETRY_DELAYS_S", (0.0,))
    monkeypatch.setattr("storage.patience._RETRY_DELAYS_S", (0.0,))
    monkeypatch.setattr("storage.patience.FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr("storage.patience.LONGEST_PAUSE_S", 0.01)
    line = Line()
    monkeypatch.setattr(storage_database, "_in_transaction", line)
    yield line
    line.is_cut = line.loses_reply = lambda number: False


def let_lease_end(url: str) -> None:
    """As if its time had passed: the driver could not give it back."""
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE nas_study SET lease_until_s = 0")


def history(study: Study) -> list[Any]:
    return [(t.number, t.key, t.parameters, t.state, t.metrics, t.attempts) for t in study.trials]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("options", [{"sampler": "nsga2"}, {"deterministic": True}], ids=["nsga2", "batches"])
def test_connections_lost_anywhere_change_nothing(
    make_study: MakeStudy, counted: Any, line: Line, ledger: Ledger, seed: int, options: dict[str, Any]
) -> None:
    counted.at |= {4: lambda: "nonsense", 6: lambda: (_ for _ in ()).throw(MemoryError())}
    whole = make_study("whole", **options)
    whole.optimize(counted.evaluator, TOTAL)
    generator = random.Random(seed)
    counted.calls.clear()
    counted.version = "disturbed"
    disturbed = make_study("disturbed", **options)
    start = line.count + 12  # before the search itself an outage is told at once
    line.is_cut = lambda number: number > start and generator.random() < 0.2
    line.loses_reply = lambda number: number > start and generator.random() < 0.2
    disturbed.optimize(counted.evaluator, TOTAL)
    line.is_cut = line.loses_reply = lambda number: False
    assert history(disturbed) == history(whole)
    assert disturbed.state is StudyState.COMPLETED
    events = [e.kind for e in ledger.events(ledger.study("disturbed").id) if e.kind != "lease_released"]
    assert events == [e.kind for e in ledger.events(ledger.study("whole").id) if e.kind != "lease_released"]


class Several(SerialPool):
    """A pool that looks as if it had three workers, one of which ends at each look."""

    def free(self, lane: Any) -> int:
        return max(0, 3 - self.in_flight)


def test_what_ends_during_an_outage_is_kept_and_written_once(
    make_study: MakeStudy, counted: Any, line: Line
) -> None:
    ended_while_away: list[int] = []

    class Watched(Several):
        def wait(self, timeout_s: float) -> list[Completion]:
            ended = super().wait(timeout_s)
            if away:
                ended_while_away.extend(completion.task.number for completion in ended)
            return ended

    away: list[int] = []

    def is_cut(number: int) -> bool:
        if len(counted.calls) >= 5 and len(away) < 12:
            away.append(number)
            return True
        return False

    line.is_cut = is_cut
    study = make_study()
    study.optimize(counted.evaluator, 9, workers=Watched())
    assert len(set(ended_while_away)) >= 2
    assert len(counted.calls) == 9
    assert [trial.attempts for trial in study.trials if trial.state is TrialState.DONE] == [1] * 9


def test_an_outage_beyond_the_budget_ends_the_search_and_the_next_run_goes_on(
    make_study: MakeStudy, counted: Any, line: Line, url: str
) -> None:
    line.is_cut = lambda number: len(counted.calls) == 4
    study = make_study()
    with pytest.raises(nas.StorageError, match="can't be reached") as raised:
        study.optimize(counted.evaluator, 8, outage_s=0.05)
    assert isinstance(raised.value.__cause__, UnreachableError)
    line.is_cut = lambda number: False
    let_lease_end(url)
    study.optimize(counted.evaluator, 8)
    assert study.state is StudyState.COMPLETED
    assert sum(trial.state is TrialState.DONE for trial in study.trials) == 8
    assert len(counted.calls) == 9  # the result that could not be written


def test_an_interrupt_during_an_outage_is_immediate(make_study: MakeStudy, counted: Any, line: Line) -> None:
    def is_cut(number: int) -> bool:
        if len(counted.calls) < 3:
            return False
        tries.append(number)
        if len(tries) == 8:
            raise KeyboardInterrupt
        return True

    tries: list[int] = []
    line.is_cut = is_cut
    with pytest.raises(KeyboardInterrupt):
        make_study().optimize(counted.evaluator, 8, outage_s=3600)
    assert len(tries) < 30  # closing the session waits for nothing either


def test_a_halt_during_an_outage_waits_no_longer_than_its_grace(
    make_study: MakeStudy, counted: Any, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.study.control.SECONDS_BETWEEN_LOOKS", 0.0)

    class Slow(Several):
        def wait(self, timeout_s: float) -> list[Completion]:
            return [] if len(counted.calls) == 4 else super().wait(timeout_s)

    line.is_cut = lambda number: len(counted.calls) == 4
    with pytest.raises(nas.StorageError, match="can't be reached"):
        make_study().optimize(
            counted.evaluator,
            9,
            workers=Slow(),
            control=lambda: Command(halt="pause" if len(counted.calls) == 4 else None),
            grace_s=0.05,
            outage_s=3600,
        )


def test_a_callback_that_reads_the_study_outlasts_the_outage_too(
    make_study: MakeStudy, counted: Any, line: Line
) -> None:
    def look(study: Study, trial: Any) -> None:
        back_at = line.count + 6
        line.is_cut = lambda number: number < back_at
        seen.append(len(study.trials))

    seen: list[int] = []
    make_study().optimize(counted.evaluator, 3, callbacks=[look])
    assert len(seen) == 3


def test_other_threads_than_the_drivers_do_not_wait(url: str, line: Line) -> None:
    with Ledger.open(url) as ledger:
        patient = PatientLedger.of(ledger, Patience(3600))
        line._thread = -1
        raised: list[Exception] = []

        def read() -> None:
            line._thread = threading.get_ident()
            line.is_cut = lambda number: True
            try:
                patient.studies()
            except UnreachableError as error:
                raised.append(error)

        thread = threading.Thread(target=read)
        thread.start()
        thread.join(30)
    assert len(raised) == 1


def test_a_damaged_file_is_told_at_once(url: str, line: Line) -> None:
    with Ledger.open(url) as ledger:
        patient = PatientLedger.of(ledger, Patience(3600))

        def raise_it(*_: Any, **__: Any) -> None:
            raise UnusableError("sqlite:///nas.db", "database disk image is malformed")

        line._run = raise_it
        with pytest.raises(UnusableError, match="malformed"):
            patient.studies()
