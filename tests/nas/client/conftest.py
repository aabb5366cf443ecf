"""A connection whose other end is a function of the test, and a service that listens."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from nas.client.address import find_address
from nas.client.connection import Connection

MOMENT = "2026-01-01T00:00:00+00:00"


@dataclass(kw_only=True)
class Wire:
    """Answers requests in turn, and remembers them; the last answer stands for all that follow."""

    answers: list[httpx2.Response | Exception] = field(default_factory=list)
    requests: list[httpx2.Request] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def answer(self, body: Any, status: int = 200, **headers: str) -> None:
        self.answers.append(httpx2.Response(status, json=body, headers=headers))

    def stream(self, text: str | bytes, kind: str = "text/event-stream") -> None:
        data = text.encode() if isinstance(text, str) else text
        self.answers.append(httpx2.Response(200, content=data, headers={"content-type": kind}))

    def refuse(self, status: int, name: str = "problem", detail: str = "no", **extra: Any) -> None:
        body = {"type": f"/problems/{name}", "title": name, "status": status, "detail": detail, **extra}
        headers = {"content-type": "application/problem+json"}
        self.answers.append(httpx2.Response(status, json=body, headers=headers))

    def fail(self) -> None:
        self.answers.append(httpx2.ConnectError("connection refused"))

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(request.content or b"null") for request in self.requests]

    @property
    def paths(self) -> list[str]:
        return [request.url.raw_path.decode() for request in self.requests]


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def connection(wire: Wire) -> Iterator[Connection]:
    address = find_address("http://127.0.0.1:1", "nas_one_secret", environ={})
    transport = httpx2.MockTransport(wire)
    made = Connection(address, patience_s=30, transport=transport, sleep=wire.waits.append)
    yield made
    made.close()


@pytest.fixture
def trial_record() -> dict[str, Any]:
    return {
        "id": "alice.tiny@3",
        "number": 3,
        "state": "DONE",
        "origin": "sampler",
        "architecture": "2 layers, 2 heads, FFN 32, hidden 16",
        "portability": "plain",
        "parameters": {"num_hidden_layers": 2},
        "metrics": {"accuracy": 0.75, "num_parameters": 1234.0},
        "violations": {},
        "is_feasible": True,
        "reason": None,
        "sizes": {"layers": "2", "heads": "2", "ffn": "32", "hidden": "16"},
    }


@pytest.fixture
def study_record(trial_record: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": "alice.tiny",
        "state": "RUNNING",
        "account": "alice",
        "model": "bundled",
        "task": "sequence-classification",
        "target": None,
        "objectives": ["max accuracy", "min num_parameters"],
        "constraints": [],
        "num_trials": 9,
        "num_evaluated": 7,
        "num_front": 2,
        "hypervolume": 0.5,
        "best": trial_record,
        "created_at": MOMENT,
        "job_id": 7,
        "is_live": True,
    }


@pytest.fixture
def job_record() -> dict[str, Any]:
    return {
        "id": 7,
        "kind": "search",
        "study": "alice.tiny",
        "status": "running",
        "state": "RUNNING",
        "request": "NONE",
        "trials": 14,
        "account": "alice",
        "restarts": 0,
        "exit_code": None,
        "reason": None,
        "created_at": MOMENT,
        "started_at": MOMENT,
        "ended_at": None,
        "progress": {"done": 3, "total": 14},
    }


@dataclass(frozen=True, kw_only=True)
class Served:
    """A service that listens, and tokens for it."""

    url: str
    operator: str
    alice: str


@pytest.fixture(scope="module")
def served(
    settings_in: Callable[..., Any], tiny_study: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """A service on a copy of the tiny study, reached over a socket."""
    from nas.service.authentication import issue_token
    from nas.service.server import Listening, Server
    from storage import Ledger

    folder = tmp_path_factory.mktemp("served")
    shutil.copytree(tiny_study, folder, dirs_exist_ok=True)
    settings = settings_in(folder)
    with Ledger.open(settings.storage.url) as ledger:
        operator = issue_token(ledger, "operator", ("admin",))
        alice = issue_token(ledger, "alice", ("read", "search", "export"))
    server = Server.of(settings, Listening(port=0))
    thread = threading.Thread(target=server.run, name="served")
    thread.start()
    try:
        give_up = time.monotonic() + 120
        while not server.started:
            assert thread.is_alive()
            assert time.monotonic() < give_up
            time.sleep(0.05)
        yield Served(url=f"http://127.0.0.1:{server.port}", operator=operator, alice=alice)
    finally:
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()


@pytest.fixture(scope="session")
def tiny_search(tiny_search: dict[str, Any]) -> dict[str, Any]:
    """The tiny search without latency, which a busy machine cannot measure."""
    return tiny_search | {"target": None, "objectives": ["max accuracy", "min num_parameters"]}
