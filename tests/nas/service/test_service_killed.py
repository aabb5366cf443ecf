"""A real server, killed between the commit of a submission and its answer; the next one goes on.

In between a supervisor takes the job and is not heard of again, as when its machine is restarted. The search
is followed to the end, exported, downloaded and verified, all over HTTP.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from nas.export import verify_folder
from nas.service.authentication import issue_token
from storage import JobState, Ledger

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[3]
PATIENCE_S = 400.0
JOBS, EXPORTS = "/api/v1/jobs", "/api/v1/exports"


@dataclass(frozen=True)
class Place:
    """A database with a token, and settings of services on it."""

    folder: Path
    token: str

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder / 'nas.db'}"

    @contextmanager
    def service(self, dies: str = "") -> Iterator[tuple[subprocess.Popen[bytes], httpx2.Client]]:
        """A service in a process of its own, and a client of it."""
        port = self.folder / f"port-{time.monotonic_ns()}"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "DIES": dies}
        words = [
            *(sys.executable, "-m", "benchmarks.chaos.dying_service"),
            str(self.folder / "settings.json"),
            str(port),
        ]
        process = subprocess.Popen(words, env=environment, cwd=self.folder)
        try:
            give_up = time.monotonic() + PATIENCE_S
            while not port.exists():
                assert process.poll() is None
                assert time.monotonic() < give_up
                time.sleep(0.05)
            with httpx2.Client(
                base_url=f"http://127.0.0.1:{port.read_text()}",
                headers={"Authorization": f"Bearer {self.token}"},
                timeout=PATIENCE_S,
            ) as client:
                yield process, client
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


@pytest.fixture(scope="module")
def place(settings_in, tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    (folder / "settings.json").write_text(settings_in(folder).model_dump_json())
    with Ledger.open(f"sqlite:///{folder / 'nas.db'}") as ledger:
        token = issue_token(ledger, "alice", ["read", "search", "export"])
    return Place(folder, token)


@dataclass(frozen=True)
class Survived:
    """What was seen of a submission whose service was killed.

    Attributes:
        first: exit code of the first service.
        states: of the jobs in the database while no service ran.
        answers: to the two requests that repeated the submission.
        events: of the search, followed to their end.
    """

    first: int
    states: list[JobState]
    answers: list[httpx2.Response]
    events: list[dict[str, Any]]
    export: dict[str, Any]
    archive: bytes


@pytest.fixture(scope="module")
def survived(place, tiny_search):
    search = tiny_search | {
        "target": None,
        "objectives": ["max accuracy", "min num_parameters"],
        "search": {"trials": 6, "racing": None},
    }
    body, key = {"config": search}, {"Idempotency-Key": "the search of today"}
    with place.service(dies="after-commit") as (process, client):
        with pytest.raises(httpx2.TransportError):
            client.post(JOBS, json=body, headers=key)
        first = process.wait(PATIENCE_S)
    with Ledger.open(place.url) as ledger:
        states = [job.state for job in ledger.jobs()]
        lease = ledger.claim_job(ledger.jobs()[0].id, owner="restarted/1", seconds=0.01)
        ledger.set_job_state(lease, JobState.RUNNING)
    with place.service() as (_, client):
        answers = [client.post(JOBS, json=body, headers=key) for _ in range(2)]
        events = list(followed(client, f"{answers[0].headers['location']}/events"))
        export = exported(client, {"study": "alice.tiny", "where": []})
        archive = client.get(export["archive"] or export["reason"]).content
    return Survived(first, states, answers, events, export, archive)


def followed(client: httpx2.Client, address: str) -> Iterator[dict[str, Any]]:
    with client.stream("GET", address) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))


def exported(client: httpx2.Client, body: dict[str, Any]) -> dict[str, Any]:
    """The export when it is over."""
    location, give_up = client.post(EXPORTS, json=body).headers["location"], time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up:
        export: dict[str, Any] = client.get(location).json()
        if export["state"] in ("COMPLETED", "FAILED", "CANCELLED"):
            return export
        time.sleep(0.5)
    raise TimeoutError(location)


def test_the_submission_is_durable_when_its_service_is_killed_before_the_answer(survived):
    assert (survived.first, survived.states) == (-signal.SIGKILL, [JobState.QUEUED])


def test_repeated_requests_give_the_one_job_that_was_stored(survived, place):
    assert [answer.status_code for answer in survived.answers] == [202, 202]
    assert len({answer.headers["location"] for answer in survived.answers}) == 1
    assert all(answer.headers["idempotent-replayed"] == "true" for answer in survived.answers)
    with Ledger.open(place.url) as ledger:
        assert len(ledger.jobs(kind="search")) == 1


def test_the_next_service_runs_the_search_to_its_end_and_tells_of_it(survived):
    kinds = [event["kind"] for event in survived.events]
    assert (kinds[0], kinds[-1]) == ("job_created", "end")
    assert kinds.count("trial_completed") >= 6
    assert survived.events[-1]["payload"]["state"] == "COMPLETED"


def test_the_search_is_taken_up_once_and_its_events_say_why(survived, place):
    changes = [event["payload"] for event in survived.events if event["kind"] == "job_state_changed"]
    assert [change["state"] for change in changes] == ["RUNNING", "QUEUED", "RUNNING", "COMPLETED"]
    assert "its supervisor died" in changes[1]["reason"]
    with Ledger.open(place.url) as ledger:
        assert [job.restarts for job in ledger.jobs(kind="search")] == [1]


def test_no_event_is_told_twice_and_none_names_a_folder(survived, place):
    ids = [event["id"] for event in survived.events[:-1]]
    assert ids == sorted(set(ids))
    assert str(place.folder) not in json.dumps(survived.events)


def test_the_export_is_downloaded_and_verifies(survived, tmp_path):
    assert survived.export["state"] == "COMPLETED", survived.export["reason"]
    zipfile.ZipFile(io.BytesIO(survived.archive)).extractall(tmp_path)
    [folder] = tmp_path.iterdir()
    assert verify_folder(folder).study == "alice.tiny"


def test_every_file_of_the_export_is_listed_with_its_hash_and_size(survived):
    archive = zipfile.ZipFile(io.BytesIO(survived.archive))
    [folder] = {name.partition("/")[0] for name in archive.namelist()}
    contents = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    assert {"config.json", "model.safetensors", "SHA256SUMS"} <= contents.keys()
    assert folder == f"alice.tiny-export-{survived.export['id']}"
    assert {file["name"]: (file["sha256"], file["size_bytes"]) for file in survived.export["files"]} == {
        name: (hashlib.sha256(content).hexdigest(), len(content)) for name, content in contents.items()
    }


def test_no_process_of_the_jobs_is_left(survived, place):
    give_up = time.monotonic() + PATIENCE_S
    with Ledger.open(place.url) as ledger:
        while any(job.owner for job in ledger.jobs()) and time.monotonic() < give_up:
            time.sleep(0.1)  # a supervisor writes the last state before it gives its job back
        assert [(job.kind, job.owner) for job in ledger.jobs()] == [("search", None), ("export", None)]
