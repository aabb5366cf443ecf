"""The driver of a job, run in this process on a tiny model."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from nas.config import load_config
from nas.errors import InfeasibleError, StorageError
from nas.jobs import driver
from nas.jobs.driver import run_job
from nas.jobs.job_config import JobConfig
from nas.jobs.outcome import failure
from storage import JobRequest, JobState, Ledger, StudyState, TrialState

pytestmark = pytest.mark.slow

URL = "sqlite:///nas.db"
ENDLESS = ("search.trials=100000", "search.sampler=random")


@pytest.fixture
def ledger(job):
    with Ledger.open(URL) as opened:
        yield opened


def created(ledger: Ledger, *overrides: str, trials: int | None = None) -> int:
    config = JobConfig(config=load_config("job.yaml", overrides=overrides), folder=Path.cwd())
    return ledger.create_job("job", config=config.to_json(), trials=trials).id


def num_evaluated(ledger: Ledger) -> int:
    return len(ledger.trials(ledger.study("job").id, states=[TrialState.DONE, TrialState.PAUSED]))


def test_a_job_is_searched_to_its_edited_number_of_trials(ledger):
    outcome = run_job(URL, created(ledger, trials=12))
    assert (outcome.state, outcome.process_code) == (JobState.COMPLETED, 0)
    assert num_evaluated(ledger) == 12


def test_a_job_that_is_asked_to_pause_first_begins_nothing(ledger):
    number = created(ledger)
    ledger.request_job(number, JobRequest.PAUSE)
    outcome = run_job(URL, number)
    assert (outcome.state, outcome.process_code) == (JobState.PAUSED, 0)
    assert not Path("artifacts").exists()


@pytest.mark.parametrize(
    ("request_", "state"), [(JobRequest.PAUSE, JobState.PAUSED), (JobRequest.STOP, JobState.CANCELLED)]
)
def test_a_search_that_runs_heeds_its_row(ledger, request_, state):
    number = created(ledger, *ENDLESS)
    asking = threading.Timer(2.0, ledger.request_job, (number, request_))
    asking.start()
    outcome = run_job(URL, number)
    asking.join()
    assert (outcome.state, outcome.process_code) == (state, 0)
    assert outcome.reason == f"asked by `nas search {request_}`"


def test_the_budget_of_a_search_that_runs_is_edited(ledger):
    number = created(ledger, *ENDLESS)
    editing = threading.Timer(1.0, lambda: ledger.edit_job(number, trials=1))
    editing.start()
    outcome = run_job(URL, number)
    editing.join()
    assert outcome.state is JobState.COMPLETED
    assert ledger.study("job").state is StudyState.COMPLETED


def test_without_its_supervisor_a_search_pauses(ledger):
    outcome = run_job(URL, created(ledger, *ENDLESS), supervisor=os.getpid())  # not our parent
    assert (outcome.state, outcome.process_code) == (JobState.PAUSED, 0)
    assert "its supervisor is gone" in outcome.reason


def test_an_infeasible_search_is_not_worth_another_start(ledger):
    with pytest.raises(InfeasibleError) as caught:
        run_job(URL, created(ledger, "constraints=['num_parameters <= 10']"))
    outcome = failure(caught.value)
    assert (outcome.process_code, outcome.search_code) == (78, 3)


def test_the_lease_of_a_dead_driver_is_waited_out(ledger):
    run_job(URL, created(ledger))
    ledger.acquire("job", owner="dead/1", seconds=3.0)
    assert run_job(URL, created(ledger, trials=15)).state is JobState.COMPLETED
    assert num_evaluated(ledger) == 15


def test_a_study_that_another_driver_keeps_is_worth_another_start(ledger, monkeypatch):
    run_job(URL, created(ledger))
    monkeypatch.setattr(driver, "PATIENCE_S", 0.0)
    ledger.acquire("job", owner="other/1", seconds=600.0)
    with pytest.raises(StorageError, match="other/1") as caught:
        run_job(URL, created(ledger, trials=15))
    assert failure(caught.value).process_code == 75
