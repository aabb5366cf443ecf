"""Jobs that export beside jobs that search: neither holds up or ends the other."""

from __future__ import annotations

import pytest

from nas.errors import ConfigError
from nas.jobs import requests
from nas.jobs.exporting import ExportRequest, export_folder
from nas.jobs.job_status import find_job
from nas.jobs.launching import JobRunsError, check_resumable
from nas.jobs.outcome import DriverOutcome
from nas.jobs.standing import JobStanding
from storage import JobRequest, JobState, Ledger, StudyState


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(f"sqlite:///{tmp_path / 'nas.db'}") as opened:
        yield opened


def submitted(ledger: Ledger, kind: str):
    return ledger.submit_job("a", kind=kind, config={}, trials=None, account="alice", log=None).job


def with_state(ledger: Ledger, job, state: JobState):
    lease = ledger.claim_job(job.id, owner="test/1")
    ledger.set_job_state(lease, state)
    ledger.release_job(lease)
    return ledger.job(job.id)


def paused_study(ledger: Ledger):
    study = ledger.create_study("a", spec={}, fingerprint={}, seed=0)
    lease = ledger.acquire("a", owner="test/1")
    ledger.set_study_state(lease, StudyState.PAUSED)
    ledger.release(lease)
    return study


def test_an_export_that_is_cancelled_leaves_its_study_as_it_is(ledger):
    paused_study(ledger)
    requests.ask(ledger, submitted(ledger, "export"), JobRequest.STOP)
    assert ledger.study("a").state is StudyState.PAUSED


def test_a_search_that_is_cancelled_cancels_its_study(ledger):
    paused_study(ledger)
    requests.ask(ledger, submitted(ledger, "search"), JobRequest.STOP)
    assert ledger.study("a").state is StudyState.CANCELLED


def test_an_export_that_failed_leaves_its_study_as_it_is(ledger):
    paused_study(ledger)
    job = submitted(ledger, "export")
    lease = ledger.claim_job(job.id, owner="test/1")
    outcome = DriverOutcome(state=JobState.CANCELLED, reason="stopped")
    JobStanding(ledger, job).finish(lease, outcome, is_lost=lambda: False)
    assert ledger.study("a").state is StudyState.PAUSED


def test_a_name_stands_for_the_search_and_not_for_an_export(ledger):
    search, _ = submitted(ledger, "search"), submitted(ledger, "export")
    assert find_job(ledger, "a").id == search.id


def test_an_export_does_not_keep_a_search_from_going_on(ledger):
    search = with_state(ledger, submitted(ledger, "search"), JobState.PAUSED)
    submitted(ledger, "export")
    check_resumable(ledger, search)
    assert requests.requeue(ledger, search).state is JobState.QUEUED


def test_a_search_is_not_queued_again_beside_another_one_of_its_study(ledger):
    first = with_state(ledger, submitted(ledger, "search"), JobState.PAUSED)
    ledger.create_job("a", config={}, account="alice")
    with pytest.raises(JobRunsError, match="study 'a' has job 2"):
        requests.requeue(ledger, first)


def test_a_lost_job_is_queued_again_and_owned_by_nobody(ledger):
    job = submitted(ledger, "search")
    lease = ledger.claim_job(job.id, owner="test/1", seconds=0.001)
    ledger.set_job_state(lease, JobState.RUNNING)
    while ledger.job(job.id).is_alive:
        pass
    queued = requests.requeue(ledger, ledger.job(job.id))
    assert (queued.state, queued.owner) == (JobState.QUEUED, None)


def test_the_budget_of_an_export_is_not_edited(ledger):
    with pytest.raises(ConfigError, match="no number of trials to edit"):
        requests.edit(ledger, submitted(ledger, "export"), trials=3)


def test_an_export_is_read_as_it_was_stored(tmp_path):
    request = ExportRequest(study="a", trial=3, where=("x <= 1",), formats=("onnx",), folder=str(tmp_path))
    assert ExportRequest.of_config(request.to_json()) == request


def test_an_export_of_another_version_is_refused():
    with pytest.raises(ConfigError, match="stored by another version"):
        ExportRequest.of_config({"study": "a", "precision": "int4"})


def test_exports_lie_apart_by_the_number_of_their_job():
    assert str(export_folder("artifacts", 7)) == "artifacts/exports/7"
