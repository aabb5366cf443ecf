"""Starting, resuming and asking jobs; supervisors are stood in for by whoever takes the lease."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from nas.config import parse_config
from nas.errors import ConfigError
from nas.jobs import launching, requests
from nas.jobs.job_status import status_of
from nas.jobs.launching import JobRunsError, JobStartError, launch_search, resume_job
from storage import JobRequest, JobState, Ledger

URL = "sqlite:///nas.db"
CONFIG = parse_config(
    {
        "version": 1,
        "name": "bert",
        "model": {"id": "model", "task": "sequence-classification"},
        "data": {"validation": "validation.csv"},
        "target": None,
        "objectives": ["max accuracy", "min num_parameters"],
        "search": {"trials": 20},
    }
)


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Ledger.open(URL) as opened:
        yield opened


@pytest.fixture
def leases(ledger, monkeypatch):
    """Leases of the supervisors that were started; each takes its job at once."""
    taken = []

    def start(module, arguments, *, url, output, folder, is_offline):
        lease = ledger.claim_job(arguments[0], owner="host/1", seconds=600)
        ledger.set_job_state(lease, JobState.RUNNING)
        taken.append(lease)
        return subprocess.Popen([sys.executable, "-S", "-c", ""])

    monkeypatch.setattr(launching, "start", start)
    return taken


def ended(ledger: Ledger, lease, state: JobState):
    ledger.set_job_state(lease, state)
    ledger.release_job(lease)
    return ledger.job(lease.job_id)


def test_a_launched_job_holds_config_budget_folder_and_log(leases, tmp_path):
    job = launch_search(CONFIG)
    assert (job.study, job.trials, status_of(job)) == ("bert", 20, "running")
    assert job.config["folder"] == str(tmp_path)
    assert Path(job.log).parent == tmp_path / "logs"


def test_a_study_has_one_job_at_a_time(leases, ledger):
    launch_search(CONFIG)
    with pytest.raises(JobRunsError, match=r"study 'bert' has job 1, which is running; .*nas search stop 1"):
        launch_search(CONFIG)
    assert len(ledger.jobs()) == 1


def test_of_two_jobs_created_at_once_the_later_one_gives_way(leases, ledger, monkeypatch):
    other = ledger.create_job("bert", config={})
    monkeypatch.setattr(launching, "_refuse_second", _blind_at_first(launching._refuse_second))
    with pytest.raises(JobRunsError, match=f"job {other.id}"):
        launch_search(CONFIG)
    assert [job.state for job in ledger.jobs()] == [JobState.QUEUED, JobState.CANCELLED]


def _blind_at_first(refuse):
    """As if the other job were created between the look and our own creation."""
    looks = itertools.count()

    def refuse_later(ledger, study, **options):
        if next(looks) > 0:
            refuse(ledger, study, **options)

    return refuse_later


def test_a_completed_job_makes_way_for_another(leases, ledger):
    launch_search(CONFIG)
    ended(ledger, leases[0], JobState.COMPLETED)
    assert launch_search(CONFIG).id == 2


def test_a_supervisor_that_does_not_start_is_told_with_the_end_of_the_log(ledger, monkeypatch):
    code = "import sys; sys.exit('no such module')"

    def start(module, arguments, *, url, output, folder, is_offline):
        return subprocess.Popen([sys.executable, "-S", "-c", code], stderr=output)

    monkeypatch.setattr(launching, "start", start)
    with pytest.raises(JobStartError, match=r"job 1: its supervisor did not start\nno such module"):
        launch_search(CONFIG)
    assert ledger.job(1).state is JobState.FAILED


def test_a_paused_job_is_resumed_under_its_number(leases, ledger):
    job = launch_search(CONFIG)
    ledger.request_job(job.id, JobRequest.PAUSE)
    paused = ended(ledger, leases[0], JobState.PAUSED)
    resumed = resume_job(ledger, URL, paused)
    assert (resumed.id, status_of(resumed)) == (job.id, "running")


def test_a_failed_job_gets_a_successor_with_its_config(leases, ledger):
    job = launch_search(CONFIG)
    failed = ended(ledger, leases[0], JobState.FAILED)
    resumed = resume_job(ledger, URL, failed)
    assert (resumed.id, resumed.config, resumed.log) == (job.id + 1, job.config, job.log)


def test_a_failed_job_with_a_successor_is_not_resumed_twice(leases, ledger):
    launch_search(CONFIG)
    failed = ended(ledger, leases[0], JobState.FAILED)
    resume_job(ledger, URL, failed)
    with pytest.raises(JobRunsError, match="job 2"):
        resume_job(ledger, URL, failed)


@pytest.mark.parametrize("state", [JobState.COMPLETED, JobState.CANCELLED])
def test_a_job_that_is_over_is_not_resumed(leases, ledger, state):
    launch_search(CONFIG)
    with pytest.raises(ConfigError, match=f"job 1 is {state.value.lower()}"):
        resume_job(ledger, URL, ended(ledger, leases[0], state))


def test_a_job_that_runs_is_not_resumed(leases, ledger):
    with pytest.raises(JobRunsError, match="is running"):
        resume_job(ledger, URL, launch_search(CONFIG))


def test_a_job_with_a_supervisor_is_asked_to_stop(leases, ledger):
    asked = requests.ask(ledger, launch_search(CONFIG), JobRequest.STOP)
    assert (asked.state, status_of(asked)) == (JobState.RUNNING, "stopping")


@pytest.mark.parametrize(
    ("request_", "state"), [(JobRequest.PAUSE, JobState.PAUSED), (JobRequest.STOP, JobState.CANCELLED)]
)
def test_a_job_that_nobody_sees_to_ends_as_it_is_asked(leases, ledger, request_, state):
    job = launch_search(CONFIG)
    ledger.release_job(leases[0])
    assert requests.ask(ledger, job, request_).state is state


def test_the_budget_of_a_job_is_edited(leases, ledger):
    assert requests.edit(ledger, launch_search(CONFIG), trials=7).trials == 7


def test_a_job_that_is_over_is_neither_asked_nor_edited(leases, ledger):
    launch_search(CONFIG)
    over = ended(ledger, leases[0], JobState.COMPLETED)
    with pytest.raises(ConfigError, match="nothing to pause"):
        requests.ask(ledger, over, JobRequest.PAUSE)
    with pytest.raises(ConfigError, match="nothing to edit"):
        requests.edit(ledger, over, trials=7)


def test_waiting_returns_a_job_that_is_over_and_gives_up_on_one_that_runs(leases, ledger):
    job = launch_search(CONFIG)
    assert requests.wait(ledger, job, timeout_s=0.0) is None
    assert requests.wait(ledger, ended(ledger, leases[0], JobState.FAILED)).state is JobState.FAILED
