"""What a job keeps: its config, its log, and how it is found and spoken of."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from nas.config import parse_config
from nas.errors import (
    ConfigError,
    InfeasibleError,
    StorageError,
    TargetUnavailableError,
    TooManyFailuresError,
)
from nas.jobs import processes
from nas.jobs.job_config import JobConfig, absolute_url, job_config
from nas.jobs.job_log import LogUnavailableError, followed, last_lines, log_text, make_log
from nas.jobs.job_status import JobNotFoundError, find_job, status_of
from nas.jobs.outcome import DriverOutcome, failure, received
from nas.jobs.processes import take_url
from storage import DiskFullError, JobRequest, JobState, Ledger, SchemaError, UnreachableError

DOCUMENT = {
    "version": 1,
    "name": "bert",
    "model": {"id": "model", "task": "sequence-classification"},
    "data": {"validation": "validation.csv"},
    "target": None,
    "objectives": ["max accuracy", "min num_parameters"],
    "storage": {"url": "postgresql://me:hunter2@db/nas"},
}


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(f"sqlite:///{tmp_path / 'nas.db'}") as opened:
        yield opened


def _job(ledger, folder, trials=None):
    config = JobConfig(config=parse_config(DOCUMENT), folder=folder)
    return ledger.create_job("bert", config=config.to_json(), trials=trials)


# The config


def test_the_stored_config_has_no_password(ledger, tmp_path):
    assert "hunter2" not in str(_job(ledger, tmp_path).config)


def test_a_stored_config_reads_back_with_the_url_it_was_found_by(ledger, tmp_path):
    stored = job_config(_job(ledger, tmp_path), "postgresql://me:hunter2@db/nas")
    assert stored == JobConfig(config=parse_config(DOCUMENT), folder=tmp_path)


def test_edited_trials_go_before_those_of_the_config(ledger, tmp_path):
    assert job_config(_job(ledger, tmp_path, trials=7), "sqlite:///nas.db").config.search.trials == 7


def test_a_working_directory_that_is_gone_is_named(ledger, tmp_path):
    with pytest.raises(ConfigError, match=str(tmp_path / "gone")):
        job_config(_job(ledger, tmp_path / "gone"), "sqlite:///nas.db")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:///nas.db", "sqlite:////data/nas.db"),
        ("sqlite:////data/nas.db", "sqlite:////data/nas.db"),
        ("sqlite:///nas.db?timeout=3", "sqlite:////data/nas.db?timeout=3"),
        ("postgresql://me@db/nas", "postgresql://me@db/nas"),
    ],
)
def test_a_url_names_the_same_file_in_any_directory(url, expected):
    assert absolute_url(url, Path("/data")) == expected


def test_the_url_is_taken_out_of_the_environment(monkeypatch):
    monkeypatch.setenv("NAS_STORAGE", "postgresql://me:hunter2@db/nas")
    monkeypatch.setenv("NAS__STORAGE__URL", "postgresql://me:hunter2@db/nas")
    assert take_url() == "postgresql://me:hunter2@db/nas"
    assert not any("hunter2" in value for value in os.environ.values())
    with pytest.raises(ConfigError, match="NAS_STORAGE"):
        take_url()


def test_a_process_has_a_session_of_its_own_and_the_url_in_its_environment_only(tmp_path):
    (tmp_path / "shown.py").write_text(
        "import os; print(os.environ['NAS_STORAGE'], os.getsid(0) == os.getpid())"
    )
    with (tmp_path / "output").open("wb") as output, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path))
        process = processes.start("shown", [3], url="sqlite:///secret.db", output=output)
    assert process.wait(60) == 0
    assert (tmp_path / "output").read_text() == "sqlite:///secret.db True\n"
    assert "secret" not in " ".join(map(str, process.args))


# The log


def test_a_log_lies_beside_the_artifacts_and_is_readable_by_its_owner_only(tmp_path):
    log = make_log("bert", "artifacts", tmp_path)
    assert log.parent == tmp_path / "logs"
    assert log.stat().st_mode & 0o777 == 0o600


def test_logs_of_the_same_second_are_different_files(tmp_path):
    assert len({make_log("bert", "artifacts", tmp_path) for _ in range(3)}) == 3


def test_with_artifacts_elsewhere_the_log_lies_in_the_working_directory(tmp_path):
    assert make_log("bert", "s3://bucket/artifacts", tmp_path).parent == tmp_path / "logs"


def test_the_last_lines_are_those_with_text(tmp_path):
    (tmp_path / "log").write_text("one\ntwo\n\nthree\n")
    assert last_lines(tmp_path / "log", 2) == ["two", "three"]
    assert last_lines(tmp_path / "missing", 2) == []


def test_a_followed_log_is_read_until_the_job_is_over(tmp_path):
    log = tmp_path / "log"
    log.write_text("one\n")
    looks = iter([False, True])

    def is_over() -> bool:
        over = next(looks)
        if over:
            log.write_text("one\ntwo\n")  # the last words, written just before the end
        return over

    assert "".join(followed(log, is_over)) == "one\ntwo\n"


def test_a_log_on_another_machine_is_told(tmp_path):
    with pytest.raises(LogUnavailableError, match="look on the machine that runs the job"):
        list(log_text(tmp_path / "missing"))


# Jobs by number and name


def test_a_job_is_found_by_its_number_or_the_newest_by_its_study(ledger, tmp_path):
    first, second = _job(ledger, tmp_path), _job(ledger, tmp_path)
    assert find_job(ledger, str(first.id)).id == first.id
    assert find_job(ledger, "bert").id == second.id


def test_a_study_whose_name_is_a_number_is_found(ledger):
    job = ledger.create_job("2026", config={})
    assert find_job(ledger, "2026").id == job.id


def test_an_unknown_job_names_the_known_ones(ledger, tmp_path):
    job = _job(ledger, tmp_path)
    with pytest.raises(JobNotFoundError, match=rf"stored jobs: {job.id} \(bert\)"):
        find_job(ledger, "brt")


def test_the_status_follows_lease_and_request(ledger, tmp_path):
    job = _job(ledger, tmp_path)
    assert status_of(ledger.job(job.id)) == "queued"
    lease = ledger.claim_job(job.id, owner="host/1", seconds=60)
    ledger.set_job_state(lease, JobState.RUNNING)
    assert status_of(ledger.job(job.id)) == "running"
    ledger.request_job(job.id, JobRequest.PAUSE)
    assert status_of(ledger.job(job.id)) == "pausing"
    ledger.release_job(lease)
    assert status_of(ledger.job(job.id)) == "lost"
    lease = ledger.claim_job(job.id, owner="host/2", seconds=60)
    ledger.set_job_state(lease, JobState.PAUSED)
    ledger.release_job(lease)
    assert status_of(ledger.job(job.id)) == "paused"


# How a driver ended


def _caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "process_code", "search_code"),
    [
        (ConfigError("x"), 78, 2),
        (InfeasibleError("x"), 78, 3),
        (TooManyFailuresError("x"), 1, 4),
        (StorageError("x"), 75, 5),
        (TargetUnavailableError("x"), 75, 5),
        (UnreachableError("sqlite:///nas.db", "x"), 75, 5),
        (_caused(StorageError("x"), SchemaError("sqlite:///nas.db", "0001", "0002")), 78, 5),
        (ZeroDivisionError("x"), 1, 1),
    ],
)
def test_an_error_tells_whether_another_start_is_worth_it(error, process_code, search_code):
    outcome = failure(error)
    assert (outcome.process_code, outcome.search_code) == (process_code, search_code)
    assert outcome.state is JobState.FAILED


@pytest.mark.parametrize(
    "error",
    [
        _caused(StorageError("x"), DiskFullError("sqlite:///nas.db", "x")),
        OSError(28, "No space left on device"),
        KeyboardInterrupt(),
    ],
)
def test_a_full_disk_and_an_interrupt_pause(error):
    assert failure(error).state is JobState.PAUSED


def test_an_outcome_passes_through_a_pipe():
    outcome = DriverOutcome(state=JobState.PAUSED, reason="asked ⏸")
    reading, writing = os.pipe()
    outcome.send(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        assert received(pipe.read()) == outcome


def test_a_driver_that_died_said_nothing():
    assert received("") is None


def test_errors_survive_pickling():
    for error in (LogUnavailableError("gone"), JobNotFoundError("no job")):
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), str(copy)) == (type(error), str(error))
