"""The supervisor with drivers that end in every way; each driver is a real process of a few lines."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nas.jobs import running_driver, supervisor
from nas.jobs.supervisor import MAX_FRUITLESS, MAX_UNREACHABLE, Supervisor
from storage import FencedError, JobRequest, JobState, Ledger, StudyState

DRIVER = """
import json, os, signal, sys, time
how, report = sys.argv[1], int(sys.argv[-1])
if how == "hang":
    time.sleep(600)
if how == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
if how == "silent":
    sys.exit(1)
outcome = json.loads(how)
os.write(report, how.encode())
sys.exit(outcome["process_code"])
"""


def says(state: JobState, *, search_code: int = 0, process_code: int = 0, reason: str | None = None) -> str:
    values = {"search_code": search_code, "process_code": process_code, "reason": reason}
    return json.dumps({"state": state.value, **values})


DONE = says(JobState.COMPLETED)
UNREACHABLE = says(JobState.FAILED, search_code=5, process_code=75, reason="the database is away")


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(f"sqlite:///{tmp_path / 'nas.db'}") as opened:
        yield opened


@pytest.fixture
def started(monkeypatch):
    """Makes the next drivers end as listed, the last one for ever; returns what was started."""
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(supervisor, "LONGEST_PAUSE_S", 0.02)
    monkeypatch.setattr(running_driver, "_SECONDS_BETWEEN_LOOKS", 0.05)
    processes = []

    def list_ends(*ends: str) -> list[subprocess.Popen[bytes]]:
        coming = itertools.chain(ends, itertools.repeat(ends[-1]))

        def start(module, arguments, *, url, pass_fds):
            words = [sys.executable, "-S", "-c", DRIVER, next(coming), *map(str, arguments)]
            processes.append(subprocess.Popen(words, pass_fds=pass_fds))
            return processes[-1]

        monkeypatch.setattr(running_driver, "start", start)
        return processes

    yield list_ends
    assert all(process.poll() is not None for process in processes)


def supervised(ledger: Ledger, tmp_path: Path, *, seconds: float = 10.0) -> tuple[Supervisor, int]:
    log = tmp_path / "job.log"
    log.write_text("first line\nlast line\n")
    job = ledger.create_job("bert", config={}, log=str(log))
    lease = ledger.claim_job(job.id, owner="test/1", seconds=seconds)
    return Supervisor(ledger, lease, url="sqlite:///unused.db"), job.id


def test_a_job_completes_with_its_driver(ledger, started, tmp_path):
    started(DONE)
    supervisor, job_id = supervised(ledger, tmp_path)
    supervisor.run()
    job = ledger.job(job_id)
    assert (job.state, job.exit_code, job.restarts) == (JobState.COMPLETED, 0, 0)


@pytest.mark.parametrize("end", ["kill", "silent", UNREACHABLE], ids=["killed", "silent", "75"])
def test_a_driver_that_died_or_could_reach_nothing_is_started_again(ledger, started, tmp_path, end):
    processes = started(end, DONE)
    supervisor, job_id = supervised(ledger, tmp_path)
    supervisor.run()
    job = ledger.job(job_id)
    assert (job.state, job.restarts, len(processes)) == (JobState.COMPLETED, 1, 2)


def test_a_refused_search_fails_without_another_start(ledger, started, tmp_path):
    processes = started(says(JobState.FAILED, search_code=3, process_code=78, reason="no budget holds"))
    supervisor, job_id = supervised(ledger, tmp_path)
    supervisor.run()
    job = ledger.job(job_id)
    assert (job.state, job.exit_code, job.reason) == (JobState.FAILED, 3, "no budget holds")
    assert len(processes) == 1


def test_a_full_disk_pauses_the_job_with_its_reason(ledger, started, tmp_path):
    started(says(JobState.PAUSED, search_code=5, process_code=75, reason="the disk is full"))
    supervisor, job_id = supervised(ledger, tmp_path)
    supervisor.run()
    job = ledger.job(job_id)
    assert (job.state, job.reason, job.restarts) == (JobState.PAUSED, "the disk is full", 0)


def test_restarts_without_progress_are_given_up_with_the_end_of_the_log(ledger, started, tmp_path):
    processes = started("kill")
    supervisor, job_id = supervised(ledger, tmp_path)
    supervisor.run()
    job = ledger.job(job_id)
    assert (job.state, job.exit_code, len(processes)) == (JobState.FAILED, 1, MAX_FRUITLESS + 1)
    assert "killed by SIGKILL" in job.reason
    assert job.reason.endswith("first line\nlast line")


def test_a_database_that_stays_away_ends_a_job_as_unreachable(ledger, started, tmp_path):
    processes = started(UNREACHABLE)
    supervisor, job_id = supervised(ledger, tmp_path)
    supervisor.run()
    assert (ledger.job(job_id).exit_code, len(processes)) == (5, MAX_UNREACHABLE + 1)
    assert "the database is away" in ledger.job(job_id).reason


def test_restarts_after_progress_are_not_given_up(ledger, started, tmp_path, monkeypatch):
    kills = 2 * MAX_FRUITLESS
    started(*["kill"] * kills, DONE)
    supervisor, job_id = supervised(ledger, tmp_path)
    progress = itertools.count()
    monkeypatch.setattr(supervisor._standing, "num_ended", lambda: next(progress))
    supervisor.run()
    job = ledger.job(job_id)
    assert (job.state, job.restarts) == (JobState.COMPLETED, kills)


@pytest.mark.parametrize(
    ("request_", "state", "study_state"),
    [
        (JobRequest.STOP, JobState.CANCELLED, StudyState.CANCELLED),
        (JobRequest.PAUSE, JobState.PAUSED, StudyState.PAUSED),
    ],
)
def test_a_halt_is_heeded_while_no_driver_runs(ledger, started, tmp_path, request_, state, study_state):
    processes = started("kill")
    ledger.create_study("bert", spec={}, fingerprint={}, seed=0)
    lease = ledger.acquire("bert", owner="driver/1", seconds=0.1)
    ledger.set_study_state(lease, StudyState.RUNNING)
    supervisor, job_id = supervised(ledger, tmp_path)
    ledger.request_job(job_id, request_)
    supervisor.run()
    assert ledger.job(job_id).state is state
    assert ledger.study("bert").state is study_state
    assert len(processes) == 1


def test_a_signal_reaches_the_driver_which_is_not_started_again(ledger, started, tmp_path):
    processes = started("hang")
    supervisor, job_id = supervised(ledger, tmp_path)
    ending = threading.Timer(0.3, supervisor.end, (signal.SIGTERM, None))
    ending.start()
    supervisor.run()
    ending.join()
    assert ledger.job(job_id).state is JobState.PAUSED
    assert [process.returncode for process in processes] == [-signal.SIGTERM]


def test_a_supervisor_whose_job_was_taken_ends_its_driver_and_writes_nothing(ledger, started, tmp_path):
    processes = started("hang")
    supervisor, job_id = supervised(ledger, tmp_path, seconds=0.4)

    def take() -> None:
        ledger.release_job(supervisor._lease)
        ledger.claim_job(job_id, owner="other/2", seconds=60.0)

    taking = threading.Timer(0.3, take)
    taking.start()
    with pytest.raises(FencedError):
        supervisor.run()
    taking.join()
    assert [process.returncode for process in processes] == [-signal.SIGTERM]
    job = ledger.job(job_id)
    assert (job.owner, job.state) == ("other/2", JobState.RUNNING)
