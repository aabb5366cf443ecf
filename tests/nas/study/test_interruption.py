"""Searches that are stopped, overtaken or disturbed by other drivers."""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nas
from nas.study import Study
from nas.supernet import Supernet
from storage import Ledger, StudyState, TrialState

MakeStudy = Callable[..., Study]
TOTAL = 30


def history(study: Study) -> list[Any]:
    return [(t.number, t.key, t.parameters, t.state, t.metrics) for t in study.trials]


@pytest.mark.parametrize(
    ("interruption", "options"),
    [
        (KeyboardInterrupt, {"sampler": "nsga2"}),
        (SystemExit, {"sampler": "tpe"}),
        (KeyboardInterrupt, {"sampler": "nsga2", "deterministic": True}),
    ],
)
def test_an_interrupted_search_is_paused_and_goes_on_with_nothing_repeated_or_lost(
    make_study: MakeStudy,
    counted: Any,
    raising: Any,
    interruption: type[BaseException],
    options: dict[str, Any],
) -> None:
    whole = make_study("whole", **options)
    whole.optimize(counted.evaluator, TOTAL)
    counted.calls.clear()
    counted.version = "parts"
    counted.at |= {call: raising(interruption()) for call in (0, 4, 5, 27)}
    parts = make_study("parts", **options)
    for _ in range(4):
        with pytest.raises(interruption):
            parts.optimize(counted.evaluator, TOTAL)
        assert parts.state is StudyState.PAUSED
    parts.optimize(counted.evaluator, TOTAL)
    assert parts.state is StudyState.COMPLETED
    assert history(parts) == history(whole)
    assert len(counted.calls) == TOTAL + 4  # the interrupted ones alone ran twice
    assert sum(trial.attempts for trial in parts.trials) == TOTAL + 4


def test_the_reason_of_a_pause_is_stored(
    make_study: MakeStudy, counted: Any, raising: Any, ledger: Ledger
) -> None:
    counted.at[1] = raising(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        make_study().optimize(counted.evaluator, 3)
    assert ledger.study("tiny").reason == "interrupted"


def test_a_second_driver_is_refused_and_told_who_holds_the_study(
    make_study: MakeStudy, counted: Any, supernet: Supernet, url: str, ledger: Ledger
) -> None:
    refusals: list[str] = []

    def drive_too() -> float:
        with (
            nas.load_study("tiny", storage=url, supernet=supernet) as other,
            pytest.raises(nas.StorageError) as raised,
        ):
            other.optimize(counted.evaluator, 9)
        refusals.append(str(raised.value))
        return 0.5

    counted.at[3] = drive_too
    study = make_study()
    study.optimize(counted.evaluator, 6)
    assert len(counted.calls) == 6
    assert len(refusals) == 1
    assert f"study 'tiny' is held by '{socket.gethostname()}/{os.getpid()}'" in refusals[0]
    assert study.state is StudyState.COMPLETED
    assert ledger.study("tiny").epoch == 1


def end_lease(url: str) -> None:
    """Let the lease run out as if its holder had been asleep for long."""
    with sqlite3.connect(Path(url.removeprefix("sqlite:///"))) as connection:
        connection.execute("UPDATE nas_study SET lease_until_s = 0")


def test_a_driver_that_lost_its_study_stops_and_changes_nothing(
    make_study: MakeStudy, counted: Any, supernet: Supernet, url: str
) -> None:
    def be_overtaken() -> float:
        end_lease(url)
        with nas.load_study("tiny", storage=url, supernet=supernet) as other:
            other.optimize(counted.evaluator, 10)
            finished.extend(history(other))
        return 0.123

    finished: list[Any] = []
    counted.at[3] = be_overtaken
    study = make_study()
    with pytest.raises(nas.StorageError, match=r"is over: nobody holds epoch 2|was taken over by another"):
        study.optimize(counted.evaluator, 10)
    assert history(study) == finished  # the late result 0.123 is refused: there is one already
    assert study.state is StudyState.COMPLETED
    assert len(counted.calls) == 11


def test_a_result_that_an_earlier_driver_brings_first_stays(
    make_study: MakeStudy, counted: Any, ledger: Ledger
) -> None:
    def be_late() -> float:
        ledger.complete(1, 3, {"accuracy": 0.75})
        return 0.5

    counted.at[3] = be_late
    study = make_study()
    study.optimize(counted.evaluator, 8)
    assert study.trials[3].metrics["accuracy"] == 0.75
    assert sum(trial.state is TrialState.DONE for trial in study.trials) == 8
    assert len(counted.calls) == 8


@pytest.mark.parametrize("error", [ValueError("too late"), MemoryError()])
def test_a_failure_after_an_earlier_drivers_result_is_dropped(
    make_study: MakeStudy, counted: Any, ledger: Ledger, error: Exception
) -> None:
    def fail_late() -> float:
        ledger.complete(1, 3, {"accuracy": 0.75})
        raise error

    counted.at[3] = fail_late
    study = make_study()
    study.optimize(counted.evaluator, 8)
    assert study.trials[3].state is TrialState.DONE
    assert study.trials[3].metrics["accuracy"] == 0.75
    assert sum(trial.state is TrialState.DONE for trial in study.trials) == 8
    assert study.state is StudyState.COMPLETED


def test_a_waiting_trial_that_an_earlier_driver_finishes_is_not_evaluated(
    make_study: MakeStudy, counted: Any, ledger: Ledger
) -> None:
    def finish_another() -> float:
        ledger.complete(1, 5, {"accuracy": 0.75})
        return 0.5

    counted.at[3] = finish_another
    study = make_study()
    study.optimize(counted.evaluator, 8)
    assert study.trials[5].metrics["accuracy"] == 0.75
    assert study.trials[5].attempts == 0
    assert len(counted.calls) == 7


def test_a_batch_is_stored_whole_or_not_at_all(
    make_study: MakeStudy, counted: Any, twelve: Any, monkeypatch: pytest.MonkeyPatch, ledger: Ledger
) -> None:
    proposed: list[int] = []
    propose = Ledger.propose

    def note(self: Ledger, lease: Any, proposals: Any, **options: Any) -> Any:
        proposed.append(sum(proposal.state is TrialState.PROPOSED for proposal in proposals))
        return propose(self, lease, proposals, **options)

    monkeypatch.setattr(Ledger, "propose", note)
    monkeypatch.setattr("nas.study.session.STALE_PROPOSALS", 2)
    study = make_study(space=twelve, deterministic=True, parallel=4, enqueue=(), sampler="nsga2")
    study.optimize(counted.evaluator, 12)
    assert "sampler:random" in {trial.origin for trial in study.trials}
    assert proposed[0] == 1  # the full model
    assert proposed[1:-1] == [4] * (len(proposed) - 2)
    assert sum(proposed) == 12


def test_a_database_that_fails_leaves_the_search_paused_not_failed(
    make_study: MakeStudy, counted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from storage import DiskFullError

    def refuse(*_: object, **__: object) -> None:
        raise DiskFullError("sqlite:///nas.db", "database or disk is full")

    study = make_study()
    study.optimize(counted.evaluator, 3)
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "put_quality", refuse)
        with pytest.raises(nas.StorageError, match="free some space, then resume the study"):
            study.optimize(counted.evaluator, 6)
    assert study.state is StudyState.PAUSED
    study.optimize(counted.evaluator, 6)
    assert study.state is StudyState.COMPLETED
    assert sum(trial.state is TrialState.DONE for trial in study.trials) == 6
