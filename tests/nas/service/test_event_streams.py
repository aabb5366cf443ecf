"""Following a job: every event once, in order, to the end; and how many may follow at a time."""

from __future__ import annotations

import asyncio

import pytest

from nas.service import event_streams
from nas.service.event_streams import Streams, followed
from nas.service.problems import ProblemError
from storage import JobRequest, JobState, Ledger, UnreachableError


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(event_streams, "SECONDS_BETWEEN_LOOKS", 0.01)
    monkeypatch.setattr(event_streams, "_SECONDS_OF_OUTAGE", 0.01)


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(f"sqlite:///{tmp_path / 'nas.db'}") as opened:
        yield opened


@pytest.fixture
def job(ledger):
    return ledger.submit_job("a", kind="search", config={}, trials=3, account="alice", log=None).job


def complete(ledger, job) -> None:
    lease = ledger.claim_job(job.id, owner="test/1")
    ledger.set_job_state(lease, JobState.RUNNING)
    ledger.set_job_state(lease, JobState.COMPLETED)


def all_of(ledger, job, *, after: int = 0) -> list:
    async def collect() -> list:
        return [event async for event in followed(ledger, job.id, after=after)]

    return asyncio.run(collect())


def test_a_job_that_is_over_is_told_from_its_start_to_its_end(ledger, job):
    complete(ledger, job)
    events = all_of(ledger, job)
    kinds = [event.event for event in events]
    assert kinds == ["job_created", "job_claimed", "job_state_changed", "job_state_changed", "end"]
    assert events[-1].data.payload == {"job": job.id, "state": "COMPLETED"}


def test_a_stream_is_taken_up_after_the_last_event_that_was_seen(ledger, job):
    complete(ledger, job)
    every = all_of(ledger, job)
    later = all_of(ledger, job, after=int(every[1].id))
    assert [event.id for event in later] == [event.id for event in every[2:]]


def test_what_happens_later_is_told_as_it_happens(ledger, job):
    async def follow() -> list[str]:
        seen: list[str] = []
        async for event in followed(ledger, job.id, after=0):
            seen.append(event.event)
            if event.event == "job_created":
                ledger.request_job(job.id, JobRequest.PAUSE)
            if event.event == "job_requested":
                complete(ledger, job)
        return seen

    assert asyncio.run(follow())[:3] == ["job_created", "job_requested", "job_claimed"]


def test_more_events_than_a_page_are_all_told_in_order(ledger, job, monkeypatch):
    monkeypatch.setattr(event_streams, "_PAGE", 3)
    for trials in range(4, 20):
        ledger.edit_job(job.id, trials=trials)
    complete(ledger, job)
    told = [event.data.payload["trials"] for event in all_of(ledger, job) if event.event == "job_edited"]
    assert told == list(range(4, 20))


def test_owners_and_other_kinds_than_the_ledgers_own_are_not_told(ledger, job):
    study = ledger.create_study("a", spec={}, fingerprint={}, seed=0)
    ledger.add_event(study.id, "config", {"config": {"storage": "/srv"}})
    complete(ledger, job)
    events = all_of(ledger, job)
    assert all("owner" not in event.data.payload for event in events)
    assert [event.event for event in events][:3] == ["job_created", "study_created", "job_claimed"]


def test_a_stream_outlasts_an_outage_of_the_database(ledger, job, monkeypatch):
    complete(ledger, job)
    look, outages = event_streams._look, iter([True, True, False])

    def fail_at_first(*arguments):
        if next(outages, False):
            raise UnreachableError("postgresql://db", "connection refused")
        return look(*arguments)

    monkeypatch.setattr(event_streams, "_look", fail_at_first)
    assert all_of(ledger, job)[-1].event == "end"


def test_a_pause_is_filled_with_comments(ledger, job, monkeypatch):
    monkeypatch.setattr(event_streams, "HEARTBEAT_S", 0.02)

    async def follow() -> list[bytes]:
        seen: list[bytes] = []
        async for event in followed(ledger, job.id, after=0):
            seen.append(event_streams.encoded(event))
            if len(seen) == 3:
                complete(ledger, job)
        return seen

    seen = asyncio.run(follow())
    assert seen[0].startswith(b"event: job_created\ndata: {")
    assert seen[1:3] == [b": waiting\n\n"] * 2


def test_an_account_has_only_so_many_streams_at_a_time():
    streams = Streams(most=2)
    with streams.one_more("alice"), streams.one_more("alice"):
        with pytest.raises(ProblemError) as caught, streams.one_more("alice"):
            pass
        with streams.one_more("bob"):
            pass
    assert caught.value.status == 429
    with streams.one_more("alice"):
        pass
