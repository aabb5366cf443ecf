"""The log of requests: who asked about what, and never a secret."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.testclient import TestClient

from nas.service.logging import configure_logging, without_secrets
from nas.service.metrics import Metrics
from nas.service.observability import HEADER, ObservabilityMiddleware

CANARIES = ("s3cr3t-query", "s3cr3t-body", "s3cr3t-header", "s3cr3t-cookie", "s3cr3t-password")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """The log as JSON; the loggers are as they were afterwards."""
    root = logging.getLogger()
    before = (root.handlers, root.level)
    levels = {name: logging.getLogger(name).level for name in ("nas", "storage", "workers", "search_spaces")}
    stream = io.StringIO()
    configure_logging(as_json=True, stream=stream)
    yield stream
    root.handlers, root.level = before
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    logging.getLogger("uvicorn.access").disabled = False
    structlog.contextvars.clear_contextvars()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def client(stream: io.StringIO, metrics: Metrics) -> TestClient:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    router = APIRouter()

    @router.get("/studies/{study}/trials/{number}")
    def trial(request: Request, study: str, number: int) -> dict[str, Any]:
        request.state.identity = SimpleNamespace(account="alice")  # of the gate's Identity
        logging.getLogger("nas.somewhere").warning("looked at %s", study)
        return {"study": study, "number": number}

    @app.post("/api/v1/jobs")
    async def fail(request: Request) -> None:
        body = (await request.body()).decode()
        raise RuntimeError(f"postgresql://nas:{CANARIES[4]}@db/nas failed; token={body}")

    @app.get("/events")
    async def events() -> StreamingResponse:
        async def text() -> Any:
            yield metrics.exposed()

        return StreamingResponse(text(), media_type="text/event-stream")

    @app.get("/healthz")
    def health() -> str:
        return "ok"

    app.include_router(router, prefix="/api/v1")
    app.add_middleware(ObservabilityMiddleware, metrics=metrics)
    return TestClient(app, raise_server_exceptions=False)


def test_a_line_names_account_study_and_trial_by_route(client: TestClient, stream: io.StringIO) -> None:
    client.get("/api/v1/studies/rte/trials/7")
    (line,) = [line for line in lines(stream) if line["event"] == "request"]
    assert line["route"] == "/api/v1/studies/{study}/trials/{number}"
    assert {name: line[name] for name in ("method", "status", "account", "study", "trial")} == {
        "method": "GET",
        "status": 200,
        "account": "alice",
        "study": "rte",
        "trial": "7",
    }
    assert line["duration_ms"] >= 0


def test_lines_of_other_loggers_bear_the_id_of_their_request(client: TestClient, stream: io.StringIO) -> None:
    answer = client.get("/api/v1/studies/rte/trials/7", headers={HEADER: "from-the-proxy.1"})
    assert answer.headers[HEADER] == "from-the-proxy.1"
    found = {line["event"]: line["request_id"] for line in lines(stream)}
    assert found == {"looked at rte": "from-the-proxy.1", "request": "from-the-proxy.1"}


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "../../etc/passwd", '"},{"a":"'])
def test_an_id_that_is_no_plain_word_is_replaced(client: TestClient, given: str) -> None:
    answer = client.get("/healthz", headers={HEADER: given})
    assert len(answer.headers[HEADER]) == 16
    assert answer.headers[HEADER] != given


def test_no_part_of_a_request_that_may_be_secret_is_logged(client: TestClient, stream: io.StringIO) -> None:
    query, body, header, cookie, _password = CANARIES
    answer = client.post(
        f"/api/v1/jobs?token={query}",
        content=body,
        headers={"Authorization": f"Bearer nas_0123456789abcdef_{header}", "Cookie": f"session={cookie}"},
    )
    assert answer.status_code == 500
    assert "RuntimeError" in stream.getvalue() or lines(stream)[-1]["status"] == 500
    assert [canary for canary in CANARIES if canary in stream.getvalue()] == []


def test_secrets_in_a_traceback_are_masked(stream: io.StringIO) -> None:
    token = "nas_0123456789abcdef_" + "k" * 43
    try:
        raise RuntimeError(f"postgresql://nas:{CANARIES[4]}@db/nas refused {token}")
    except RuntimeError:
        logging.getLogger("uvicorn.error").exception("it failed")
    (line,) = lines(stream)
    assert "postgresql://nas:***@db/nas refused nas_***" in line["exception"]


@pytest.mark.parametrize(
    "text",
    [
        "nas_0_aaaaaaaaaaaaaaaa",
        "BEARER canary",
        "basic\tcanary",
        "x postgresql://me:canary@host",
        "PASSWD = canary",
        "Password:canary",
        "Secret=canary",
        "TOKEN: canary",
    ],
)
def test_each_kind_of_secret_is_masked_alone(text: str) -> None:
    assert "***" in without_secrets(text)
    assert not re.search("canary|aaaa", without_secrets(text))


def test_a_path_that_no_route_has_is_not_logged(client: TestClient, stream: io.StringIO) -> None:
    client.get("/nas_0123456789abcdef_" + "k" * 43)
    (line,) = lines(stream)
    assert (line["route"], line["status"]) == ("unmatched", 404)
    assert "kkk" not in stream.getvalue()


def test_probes_that_succeed_leave_no_line(client: TestClient, stream: io.StringIO) -> None:
    client.get("/healthz")
    assert stream.getvalue() == ""


def test_requests_are_counted_by_the_template_of_their_route(client: TestClient, metrics: Metrics) -> None:
    for number in range(3):
        client.get(f"/api/v1/studies/rte/trials/{number}")
    client.get("/a-path-nobody-has")
    text = metrics.exposed().decode()
    route = 'method="GET",route="/api/v1/studies/{study}/trials/{number}"'
    assert f'nas_http_requests_total{{{route},status="200"}} 3.0' in text
    assert f"nas_http_request_duration_seconds_count{{{route}}} 3.0" in text
    assert 'route="unmatched",status="404"} 1.0' in text
    assert "a-path-nobody-has" not in text


def test_a_stream_is_counted_while_it_is_open(client: TestClient, metrics: Metrics) -> None:
    during = client.get("/events").text
    assert "nas_http_streams_open 1.0" in during
    assert "nas_http_streams_open 0.0" in metrics.exposed().decode()
    assert 'duration_seconds_count{method="GET",route="/events"}' not in metrics.exposed().decode()


def test_an_unknown_method_is_no_label_of_its_own(client: TestClient, metrics: Metrics) -> None:
    client.request("S3CR3T", "/healthz")
    assert "S3CR3T" not in metrics.exposed().decode()
