"""Server-sent events of a job over HTTP."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from typing import Any

import httpx2
import pytest

from nas.service.authentication import issue_token
from nas.service.server import Listening, Server
from storage import JobState, Ledger

JOBS = "/api/v1/jobs"


@pytest.fixture(scope="module")
def tiny_study(tmp_path_factory):
    """An empty database: what is tested here needs no study."""
    folder = tmp_path_factory.mktemp("empty")
    Ledger.open(f"sqlite:///{folder / 'nas.db'}").close()
    (folder / "artifacts").mkdir()
    return folder


@pytest.fixture
def job(app):
    """A completed job of alice."""
    ledger = app.state.service.ledger
    job = ledger.submit_job("alice.a", kind="search", config={}, trials=3, account="alice", log=None).job
    lease = ledger.claim_job(job.id, owner="host/1", seconds=600)
    ledger.set_job_state(lease, JobState.COMPLETED)
    return job


def parsed(text: str) -> list[dict[str, Any]]:
    blocks = [block for block in text.split("\n\n") if block]
    fields = [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks]
    return [{**own, "data": json.loads(own["data"])} for own in fields]


def test_events_carry_their_id_kind_and_data(api, job):
    answer = api("alice").get(f"{JOBS}/{job.id}/events")
    events = parsed(answer.text)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert [event["event"] for event in events] == ["job_created", "job_claimed", "job_state_changed", "end"]
    assert all(event["data"]["id"] == int(event["id"]) for event in events[:-1])
    assert events[2]["data"]["payload"]["state"] == "COMPLETED"


def test_a_client_that_comes_back_gets_what_it_missed(api, job):
    alice = api("alice")
    first = parsed(alice.get(f"{JOBS}/{job.id}/events").text)
    headers = {"Last-Event-ID": first[0]["id"]}
    assert parsed(alice.get(f"{JOBS}/{job.id}/events", headers=headers).text) == first[1:]


@pytest.mark.parametrize("last", ["-1", "abc", "1" * 30])
def test_an_id_that_is_none_is_refused(api, job, last):
    answer = api("alice").get(f"{JOBS}/{job.id}/events", headers={"Last-Event-ID": last})
    assert answer.status_code == 422


def test_an_account_with_too_many_streams_has_to_wait(api, app, job):
    streams = app.state.service.streams
    with contextlib.ExitStack() as open_streams:
        for _ in range(app.state.service.settings.limits.streams):
            open_streams.enter_context(streams.one_more("alice"))
        answer = api("alice").get(f"{JOBS}/{job.id}/events")
    assert (answer.status_code, answer.json()["type"]) == (429, "/problems/too-many-streams")


def test_a_stream_that_ended_gives_its_place_back(api, app, job):
    alice = api("alice")
    for _ in range(app.state.service.settings.limits.streams + 2):
        assert alice.get(f"{JOBS}/{job.id}/events").status_code == 200


@pytest.fixture
def listening(service_settings):
    """A server in a thread; its port."""
    server = Server.of(service_settings, Listening(port=0))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    give_up = time.monotonic() + 120
    while not server.started and time.monotonic() < give_up:
        time.sleep(0.02)
    yield server.port
    server.should_exit = True
    thread.join(120)
    assert not thread.is_alive()


def test_a_client_that_goes_away_gives_its_place_back(listening, service_settings):
    with Ledger.open(service_settings.storage.url) as ledger:
        token = issue_token(ledger, "alice", ["read"])
        job = ledger.create_job("alice.a", config={}, account="alice", kind="test")
    headers = {"Authorization": f"Bearer {token}"}
    most = service_settings.limits.streams
    with httpx2.Client(base_url=f"http://127.0.0.1:{listening}", headers=headers, timeout=120) as client:
        for _ in range(3 * most):
            give_up = time.monotonic() + 120
            while (status := _first_event(client, job.id)) == 429 and time.monotonic() < give_up:
                time.sleep(0.1)
            assert status == 200


def _first_event(client: httpx2.Client, job_id: int) -> int:
    """Open a stream, read its first line, and go away."""
    with client.stream("GET", f"{JOBS}/{job_id}/events") as answer:
        if answer.status_code == 200:
            assert next(answer.iter_lines()) == "event: job_created"
        return int(answer.status_code)
