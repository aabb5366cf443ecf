from __future__ import annotations

import json

import pytest

from nas.client.facts import JobFacts
from nas.client.jobs import RemoteJob


@pytest.fixture
def job(connection, wire, job_record):
    return RemoteJob(connection, JobFacts.from_json(job_record), sleep=wire.waits.append)


def event(number: int, kind: str = "trial_completed") -> str:
    data = {"id": number, "at": "2026-01-01T00:00:00+00:00", "kind": kind, "payload": {"number": number}}
    return f"id: {number}\nevent: {kind}\ndata: {json.dumps(data)}\n\n"


END = 'event: end\ndata: {"id": null, "at": null, "kind": "end", "payload": {}}\n\n'


def test_waiting_asks_until_the_job_is_over(job, wire, job_record):
    wire.answer(job_record)
    wire.answer({**job_record, "status": "completed", "exit_code": 0})
    assert job.wait().status == "completed"
    assert len(wire.waits) == 1


def test_a_service_that_restarts_is_waited_for(job, wire, job_record):
    wire.answer(job_record)
    wire.refuse(500)
    wire.answer({**job_record, "status": "completed"})
    assert job.wait().status == "completed"


def test_a_paused_job_is_not_waited_for(job, wire, job_record):
    wire.answer({**job_record, "status": "paused"})
    assert job.wait().status == "paused"


def test_waiting_no_longer_than_a_timeout_gives_nothing(job, wire, job_record):
    wire.answer(job_record)
    assert job.wait(timeout_s=0) is None


def test_events_come_once_and_in_order_over_a_broken_connection(job, wire, job_record):
    wire.stream(event(1) + ": heartbeat\n\n" + event(2))
    wire.answer(job_record)  # still running: the stream broke
    wire.fail()
    wire.stream(event(2) + event(3))
    wire.answer(job_record)
    wire.stream(event(4, "job_state_changed") + END)
    assert [found.id for found in job.events()] == [1, 2, 3, 4]
    streams = [request for request in wire.requests if request.url.path.endswith("/events")]
    assert [request.headers["last-event-id"] for request in streams] == ["0", "2", "2", "3"]


def test_a_stream_that_breaks_as_the_job_ends_is_asked_once_more(job, wire, job_record):
    wire.stream(event(1))
    wire.answer({**job_record, "status": "completed"})
    wire.stream(event(2))
    assert [found.id for found in job.events()] == [1, 2]


def test_events_after_a_number_leave_earlier_ones_out(job, wire):
    wire.stream(event(5) + event(6) + END)
    found = list(job.events(after=5))
    assert [(one.id, one.kind, one.payload) for one in found] == [(6, "trial_completed", {"number": 6})]
    assert found[0].at.year == 2026


def test_a_log_is_read_piece_by_piece(job, wire):
    wire.answer({"text": "one\n", "next_offset": 4, "is_end": False})
    wire.answer({"text": "two\n", "next_offset": 8, "is_end": True})
    assert "".join(job.logs()) == "one\ntwo\n"
    assert [request.url.params["offset"] for request in wire.requests] == ["0", "4"]


def test_a_log_is_followed_until_the_job_is_over(job, wire, job_record):
    wire.answer(job_record)
    wire.answer({"text": "one\n", "next_offset": 4, "is_end": True})
    wire.answer({**job_record, "status": "completed"})
    wire.answer({"text": "two\n", "next_offset": 8, "is_end": True})
    assert "".join(job.logs(follow=True)) == "one\ntwo\n"


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel"])
def test_an_order_is_posted_to_its_own_address(job, wire, job_record, verb):
    wire.answer(job_record)
    getattr(job, verb)()
    assert (wire.requests[0].method, wire.paths) == ("POST", [f"/api/v1/jobs/7:{verb}"])


def test_a_budget_is_patched(job, wire, job_record):
    wire.answer({**job_record, "trials": 20})
    assert job.edit(trials=20).trials == 20
    assert (wire.requests[0].method, wire.bodies) == ("PATCH", [{"trials": 20}])


def test_a_job_shows_itself_in_a_notebook_with_its_reason_escaped(job, wire, job_record):
    wire.answer({**job_record, "status": "failed", "reason": "<script>"})
    shown = job._repr_html_()
    assert "failed: &lt;script&gt;" in shown
    assert "3 of 14" in shown
