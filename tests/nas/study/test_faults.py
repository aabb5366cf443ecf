"""A full disk, a driver that slept, several drivers, workers that answer late or never."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import nas
from nas.study import Study
from nas.supernet import Supernet
from storage import DiskFullError, Lease, LeaseHeldError, Ledger, StudyState, TrialState
from workers import Completion, Failure, SerialPool

MakeStudy = Callable[..., Study]


# A full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own with 2 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_pauses_the_search_which_goes_on_when_there_is_room(
    make_study: MakeStudy, counted: Any, small_disk: Path
) -> None:
    filler = small_disk / "filler"

    def fill() -> float:
        with filler.open("wb", buffering=0) as file:
            while os.statvfs(small_disk).f_bavail:
                file.write(b"x" * 4096)
        return 0.5

    counted.at[5] = fill
    study = make_study(storage=f"sqlite:///{small_disk / 'nas.db'}")
    with pytest.raises(nas.StorageError, match=r"disk of database .* is full") as raised:
        study.optimize(counted.evaluator, 400)
    assert isinstance(raised.value.__cause__, DiskFullError)
    filler.unlink()
    with sqlite3.connect(small_disk / "nas.db") as connection:  # the lease could not be given back either
        connection.execute("UPDATE nas_study SET lease_until_s = 0")
    before = [(t.number, t.metrics) for t in study.trials if t.state is TrialState.DONE]
    assert len(before) >= 5
    study.optimize(counted.evaluator, len(before) + 3)
    assert study.state is StudyState.COMPLETED
    assert [(t.number, t.metrics) for t in study.trials if t.state is TrialState.DONE][
        : len(before)
    ] == before


def test_the_reason_of_a_pause_says_that_there_is_no_space_left(
    make_study: MakeStudy, counted: Any, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise DiskFullError("sqlite:///nas.db", "database or disk is full")

    study = make_study()
    monkeypatch.setattr(Ledger, "put_quality", refuse)
    with pytest.raises(nas.StorageError):
        study.optimize(counted.evaluator, 6)
    record = ledger.study("tiny")
    assert record.state is StudyState.PAUSED
    assert record.reason is not None
    assert record.reason.startswith("no space left: the disk of database")


def test_a_full_disk_of_the_evaluators_own_pauses_the_search_too(
    make_study: MakeStudy, counted: Any, ledger: Ledger
) -> None:
    def refuse(study: Study, trial: Any) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        make_study().optimize(counted.evaluator, 6, callbacks=[refuse])
    assert ledger.study("tiny").state is StudyState.PAUSED


# Workers that answer late


class Unreachable(SerialPool):
    """A pool that takes one task's worker for lost, hands it to another, and hears of the first after all."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self._at = at
        self._late: list[Completion] = []

    def wait(self, timeout_s: float) -> list[Completion]:
        ended = super().wait(timeout_s)
        if self._late:
            return [self._late.pop(), *ended]
        if not ended or ended[0].task.number != self._at or ended[0].attempt > 1:
            return ended
        loss = Failure(reason="worker_lost", message="its node is silent")
        self._late = [ended[0]]
        lost = replace(ended[0], result=None, failure=loss, retrying=True)
        self.submit(ended[0].task)
        return [lost]


def test_a_late_result_of_a_lost_worker_is_taken_and_the_second_one_dropped(
    make_study: MakeStudy, counted: Any, ledger: Ledger
) -> None:
    counted.at |= {2: lambda: 0.25, 3: lambda: 0.75}  # the first and the second run of trial 2
    study = make_study()
    study.optimize(counted.evaluator, 5, workers=Unreachable(at=2))
    assert study.trials[2].metrics["accuracy"] == 0.25
    assert [attempt.outcome for attempt in ledger.attempts(1, 2)] == ["worker_lost", "completed"]
    kinds = [event.kind for event in ledger.events(1) if event.payload.get("number") == 2]
    assert kinds.count("trial_completed") == 1
    assert "trial_conflict" not in kinds
    assert study.state is StudyState.COMPLETED


def test_an_evaluation_that_always_hangs_fails_with_its_deadline_and_the_search_goes_on(
    make_study: MakeStudy, counted: Any
) -> None:
    class Hanging(SerialPool):
        def wait(self, timeout_s: float) -> list[Completion]:
            ended = super().wait(timeout_s)
            if not ended or ended[0].task.number != 3:
                return ended
            deadlines.append(ended[0].task.timeout_s)
            attempt = len(deadlines)
            failure = Failure(reason="timeout", message="no answer in time")
            if attempt < 3:
                self.submit(ended[0].task)
            return [replace(ended[0], attempt=attempt, result=None, failure=failure, retrying=attempt < 3)]

    deadlines: list[float | None] = []
    study = make_study()
    study.optimize(counted.evaluator, 6, workers=Hanging())
    assert study.trials[3].state is TrialState.FAILED
    assert study.trials[3].reason == "timeout: no answer in time"
    assert study.trials[3].attempts == 3
    assert [deadline is not None and deadline >= 60 for deadline in deadlines] == [True] * 3
    assert study.state is StudyState.COMPLETED


# A driver that lost its study


def test_what_was_in_flight_when_the_study_was_lost_is_brought_in_all_the_same(
    make_study: MakeStudy, counted: Any, ledger: Ledger, url: str
) -> None:
    class Several(SerialPool):
        def free(self, lane: Any) -> int:
            return max(0, 3 - self.in_flight)

    def be_overtaken() -> float:
        with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
            connection.execute("UPDATE nas_study SET lease_until_s = 0")
        ledger.acquire("tiny", owner="successor", seconds=600)
        in_flight.extend(t.number for t in ledger.trials(1, states={TrialState.RUNNING}))
        known.append(len(ledger.trials(1)))
        return 0.5

    in_flight: list[int] = []
    known: list[int] = []
    counted.at[6] = be_overtaken
    study = make_study()
    with pytest.raises(nas.StorageError, match=r"is over: 'successor' holds epoch 2|taken over by another"):
        study.optimize(counted.evaluator, 30, workers=Several())
    assert len(in_flight) == 3
    done = {trial.number for trial in study.trials if trial.state is TrialState.DONE}
    assert len(done & set(in_flight)) >= 2
    assert len(study.trials) == known[0]  # and nothing was proposed
    assert study.state is StudyState.RUNNING  # its state is the successor's business


# Several drivers, and one that slept

SLEEPER = """
import os, sys, time
import torch
import nas
from nas.study import session
from nas.supernet import Supernet

folder, url, total, wait_at, marker = sys.argv[1:]
torch.set_num_threads(1)
session.LEASE_SECONDS = 1.0
calls = 0


def score(model):
    global calls
    size = sum(parameter.numel() for parameter in model.parameters())
    if calls == int(wait_at):
        print("at work", flush=True)
        while not os.path.exists(marker):
            time.sleep(0.02)
    calls += 1
    return size / 100_000


with nas.create_study("shared", supernet=Supernet.load(folder), storage=url, load_if_exists=True) as study:
    try:
        study.optimize(nas.ScoreEvaluator(score=score, metrics=("accuracy",), version="1"), int(total))
    except nas.StorageError as error:
        print("refused:", error, flush=True)
        sys.exit(75)
print("done", calls, flush=True)
"""


@pytest.fixture(scope="module")
def folder(supernet: Supernet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The supernet on disk."""
    return supernet.save(tmp_path_factory.mktemp("shared") / "supernet")


@pytest.fixture
def start(tmp_path: Path, folder: Path, url: str) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start drivers as processes of their own."""
    started: list[subprocess.Popen[str]] = []
    script = tmp_path / "sleeper.py"
    script.write_text(SLEEPER)
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(nas.__file__).parents[1]),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }

    def start_one(total: int, wait_at: int = -1, marker: Path | str = "") -> subprocess.Popen[str]:
        command = [sys.executable, str(script), str(folder), url, str(total), str(wait_at), str(marker)]
        started.append(subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE))
        return started[-1]

    yield start_one
    for process in started:
        process.kill()
        process.communicate(timeout=30)


def put_to_sleep(process: subprocess.Popen[str], url: str) -> None:
    """Stop a process while it does not write: else nobody could, as it would hold the file's lock."""
    for _ in range(100):
        process.send_signal(signal.SIGSTOP)
        connection = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=1, isolation_level=None)
        with closing(connection), suppress(sqlite3.OperationalError):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
            return
        process.send_signal(signal.SIGCONT)
        time.sleep(0.1)
    raise AssertionError("the driver always writes")


def taken_over(ledger: Ledger) -> Lease:
    """The lease on the study as soon as its holder's is over."""
    for _ in range(600):
        try:
            return ledger.acquire("shared", owner="successor", seconds=600)
        except LeaseHeldError:
            time.sleep(0.1)
    raise AssertionError("the sleeping driver keeps its lease")


@pytest.mark.slow
def test_a_driver_that_slept_beyond_its_lease_proposes_nothing_but_its_result_counts(
    start: Callable[..., subprocess.Popen[str]], url: str, tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    sleeper = start(12, wait_at=4, marker=marker)
    assert sleeper.stdout is not None
    assert sleeper.stdout.readline() == "at work\n"
    put_to_sleep(sleeper, url)
    time.sleep(3.2)  # more than three times its lease
    with Ledger.open(url) as ledger:
        lease = taken_over(ledger)
        study = ledger.study("shared")
        asleep = [trial.number for trial in ledger.trials(study.id, states={TrialState.RUNNING})]
        assert len(asleep) == 1
        before = len(ledger.trials(study.id))
        marker.touch()
        sleeper.send_signal(signal.SIGCONT)
        output, _ = sleeper.communicate(timeout=240)
        trial = ledger.trial(study.id, asleep[0])
        assert trial.state is TrialState.DONE  # a finished result is a fact
        assert len(ledger.trials(study.id)) == before
        assert all(e.payload["epoch"] == 1 for e in ledger.events(study.id, kind="trials_proposed"))
        assert ledger.study("shared").epoch == lease.epoch
        ledger.release(lease)
    assert sleeper.returncode == 75
    assert "refused:" in output


@pytest.mark.slow
def test_of_three_drivers_one_searches_and_the_others_are_told_who_does(
    start: Callable[..., subprocess.Popen[str]], url: str, tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    holder = start(8, wait_at=2, marker=marker)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "at work\n"
    others = [start(8), start(8)]
    refusals = [process.communicate(timeout=240)[0] for process in others]
    marker.touch()
    output, _ = holder.communicate(timeout=240)
    assert [process.returncode for process in others] == [75, 75]
    assert all(f"is held by '{socket.gethostname()}/{holder.pid}'" in refusal for refusal in refusals)
    assert (holder.returncode, output) == (0, "done 8\n")
    with Ledger.open(url) as ledger:
        study = ledger.study("shared")
        assert (study.state, study.epoch) == (StudyState.COMPLETED, 1)
        assert [trial.attempts for trial in ledger.trials(study.id, states={TrialState.DONE})] == [1] * 8
