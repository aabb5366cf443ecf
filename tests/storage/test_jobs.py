"""Jobs: requests of the user, leases of supervisors, and what they say of the job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from storage import (
    FINAL_JOB_STATES,
    FencedError,
    JobFencedError,
    JobHeldError,
    JobLease,
    JobRecord,
    JobRequest,
    JobState,
    JobStateError,
    LeaseHeldError,
    Ledger,
    UnknownJobError,
)

CONFIG = {"search": {"trials": 10}, "name": "Größe"}


@pytest.fixture
def job(ledger: Ledger) -> JobRecord:
    return ledger.create_job("rte", config=CONFIG, trials=10, log="jobs/1.log")


@pytest.fixture
def held(ledger: Ledger, job: JobRecord) -> JobLease:
    return ledger.claim_job(job.id, owner="host:1", seconds=60)


@pytest.fixture
def let_job_lease_expire(url: str) -> Callable[[], None]:
    """Moves the end of every lease an hour back, as if that time had passed."""

    def expire() -> None:
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("UPDATE nas_job SET lease_until_s = lease_until_s - 3600"))
        engine.dispose()

    return expire


def kinds(ledger: Ledger) -> list[str]:
    return [event.kind for event in ledger.events(None) if event.kind.startswith("job_")]


def test_a_new_job_waits_for_a_supervisor_to_run_it(ledger: Ledger, job: JobRecord) -> None:
    assert ledger.job(job.id) == job
    assert (job.state, job.request, job.kind) == (JobState.QUEUED, JobRequest.RUN, "search")
    assert (job.study, job.config, job.trials, job.log) == ("rte", CONFIG, 10, "jobs/1.log")
    assert (job.owner, job.epoch, job.remaining_s, job.restarts) == (None, 0, 0.0, 0)
    assert (job.exit_code, job.reason, job.started_at, job.ended_at) == (None, None, None, None)
    assert not job.is_alive


def test_jobs_are_listed_by_study_newest_last(ledger: Ledger) -> None:
    made = [ledger.create_job(study, config={}).id for study in ("a", "b", "a")]
    assert [job.id for job in ledger.jobs()] == made
    assert [job.id for job in ledger.jobs(study="a")] == [made[0], made[2]]
    assert ledger.jobs(study="c") == []


@pytest.mark.parametrize(
    "wrong", [{"study": ""}, {"kind": ""}, {"trials": 0}, {"config": {"a": float("nan")}}, {"log": "\0"}]
)
def test_a_job_that_can_not_be_stored_is_refused(ledger: Ledger, wrong: dict[str, Any]) -> None:
    given: dict[str, Any] = {"study": "rte", "config": {}} | wrong
    with pytest.raises(ValueError, match=r"empty|1 and more|JSON|NUL"):
        ledger.create_job(given.pop("study"), **given)
    assert ledger.jobs() == []


def test_an_unknown_job_is_told_with_those_that_have_not_ended(ledger: Ledger, job: JobRecord) -> None:
    for refused in (
        lambda: ledger.job(99),
        lambda: ledger.request_job(99, JobRequest.STOP),
        lambda: ledger.edit_job(99, trials=5),
        lambda: ledger.claim_job(99, owner="host:1"),
    ):
        with pytest.raises(UnknownJobError, match=rf"no job 99 .*not ended: {job.id}"):
            refused()


def test_what_the_user_wants_is_read_by_the_supervisor(
    ledger: Ledger, job: JobRecord, held: JobLease
) -> None:
    ledger.request_job(job.id, JobRequest.PAUSE)
    ledger.edit_job(job.id, trials=25)
    found = ledger.job(job.id)
    assert (found.request, found.trials, found.state) == (JobRequest.PAUSE, 25, JobState.QUEUED)


def test_asking_for_the_same_again_logs_nothing(ledger: Ledger, job: JobRecord) -> None:
    for _ in range(2):
        ledger.request_job(job.id, JobRequest.STOP)
        ledger.edit_job(job.id, trials=25)
    assert kinds(ledger) == ["job_created", "job_requested", "job_edited"]


def test_a_budget_below_one_trial_is_refused(ledger: Ledger, job: JobRecord) -> None:
    with pytest.raises(ValueError, match="0 trials"):
        ledger.edit_job(job.id, trials=0)


@pytest.mark.parametrize("state", FINAL_JOB_STATES)
def test_a_job_that_has_ended_is_neither_asked_for_anything_nor_taken(
    ledger: Ledger, job: JobRecord, held: JobLease, state: JobState
) -> None:
    ledger.set_job_state(held, state, exit_code=1)
    ledger.release_job(held)
    before = ledger.job(job.id)
    for refused in (
        lambda: ledger.request_job(job.id, JobRequest.RUN),
        lambda: ledger.edit_job(job.id, trials=5),
        lambda: ledger.claim_job(job.id, owner="host:2"),
    ):
        with pytest.raises(JobStateError, match=state.value):
            refused()
    assert ledger.job(job.id) == before


def test_a_held_job_is_alive_and_refused_to_others(ledger: Ledger, job: JobRecord, held: JobLease) -> None:
    found = ledger.job(job.id)
    assert (found.owner, found.epoch, found.is_alive) == ("host:1", 1, True)
    assert 0 < found.remaining_s <= 60
    with pytest.raises(LeaseHeldError, match=rf"job {job.id} is held by 'host:1'") as refused:
        ledger.claim_job(job.id, owner="host:2")
    assert isinstance(refused.value, JobHeldError)


def test_a_released_job_is_free(ledger: Ledger, job: JobRecord, held: JobLease) -> None:
    ledger.release_job(held)
    ledger.release_job(held)
    assert not ledger.job(job.id).is_alive
    assert ledger.claim_job(job.id, owner="host:2").epoch == 2


def test_a_supervisor_that_lost_the_job_writes_nothing_any_more(
    ledger: Ledger, job: JobRecord, held: JobLease, let_job_lease_expire: Callable[[], None]
) -> None:
    let_job_lease_expire()
    assert not ledger.job(job.id).is_alive
    ledger.claim_job(job.id, owner="host:2")
    before = ledger.job(job.id)
    for refused in (
        lambda: ledger.renew_job(held),
        lambda: ledger.set_job_state(held, JobState.FAILED),
    ):
        with pytest.raises(FencedError, match=rf"job {job.id} .*'host:2' holds epoch 2") as error:
            refused()
        assert isinstance(error.value, JobFencedError)
    ledger.release_job(held)
    assert ledger.job(job.id).owner == before.owner == "host:2"


def test_a_lease_that_is_over_but_taken_by_nobody_is_renewed(
    ledger: Ledger, job: JobRecord, held: JobLease, let_job_lease_expire: Callable[[], None]
) -> None:
    let_job_lease_expire()
    ledger.renew_job(held)
    assert ledger.job(job.id).is_alive


def test_the_times_of_a_job_are_those_of_its_first_start_and_its_end(
    ledger: Ledger, job: JobRecord, held: JobLease
) -> None:
    ledger.set_job_state(held, JobState.RUNNING)
    first = ledger.job(job.id)
    ledger.set_job_state(held, JobState.RUNNING, reason="driver died", exit_code=-9, restarts=1)
    again = ledger.job(job.id)
    ledger.set_job_state(held, JobState.COMPLETED, exit_code=0)
    ended = ledger.job(job.id)
    assert first.started_at is not None
    assert first.started_at == again.started_at == ended.started_at
    assert (first.ended_at, again.ended_at) == (None, None)
    assert ended.ended_at is not None
    assert ended.ended_at >= ended.started_at >= ended.created_at
    assert (again.reason, again.exit_code, again.restarts) == ("driver died", -9, 1)
    assert (ended.reason, ended.exit_code, ended.restarts) == (None, 0, 1)


def test_saying_the_same_of_a_job_again_logs_nothing(ledger: Ledger, held: JobLease) -> None:
    for _ in range(2):
        ledger.set_job_state(held, JobState.CANCELLED, reason="stopped")
    assert kinds(ledger) == ["job_created", "job_claimed", "job_state_changed"]


def test_a_job_that_has_ended_does_not_run_again(ledger: Ledger, held: JobLease) -> None:
    ledger.set_job_state(held, JobState.COMPLETED)
    with pytest.raises(JobStateError, match="final"):
        ledger.set_job_state(held, JobState.RUNNING)


def test_every_change_of_a_job_is_an_event_with_its_number(ledger: Ledger, job: JobRecord) -> None:
    ledger.request_job(job.id, JobRequest.PAUSE)
    ledger.edit_job(job.id, trials=5)
    lease = ledger.claim_job(job.id, owner="host:1")
    ledger.set_job_state(lease, JobState.PAUSED)
    ledger.release_job(lease)
    assert kinds(ledger) == [
        "job_created",
        "job_requested",
        "job_edited",
        "job_claimed",
        "job_state_changed",
        "job_released",
    ]
    assert {event.payload["job"] for event in ledger.events(None)} == {job.id}
    assert {event.study_id for event in ledger.events(None)} == {None}


@pytest.mark.parametrize(("owner", "seconds"), [("", 10.0), ("host:1", 0.0)])
def test_a_lease_without_owner_or_time_is_refused(
    ledger: Ledger, job: JobRecord, owner: str, seconds: float
) -> None:
    with pytest.raises(ValueError, match=r"empty|more than 0"):
        ledger.claim_job(job.id, owner=owner, seconds=seconds)
