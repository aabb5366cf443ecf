"""Requests that are refused before anybody reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from nas.service.limits import LimitsMiddleware, check_json
from nas.service.problems import ProblemError, install
from nas.service.settings import Limits

JSON = {"content-type": "application/json"}


@pytest.fixture
def client() -> Iterator[TestClient]:
    app = FastAPI()
    install(app)

    @app.post("/echo")
    async def echo(request: Request) -> Any:
        return await request.json()

    @app.get("/echo")
    async def look() -> str:
        return "seen"

    limits = Limits(max_body_bytes=2048, body_timeout_s=0.2)
    app.add_middleware(LimitsMiddleware, limits=limits, hosts=("testserver",))
    with TestClient(app, raise_server_exceptions=False) as made:
        yield made


def test_a_json_body_arrives_whole(client: TestClient) -> None:
    body = {"a": [1, 2.5, "é", None, True]}
    assert client.post("/echo", json=body).json() == body


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
        "application/jsonp",
    ],
)
def test_what_a_form_can_send_is_refused(client: TestClient, kind: str) -> None:
    answer = client.post("/echo", content=b'{"a": 1}', headers={"content-type": kind})
    assert answer.status_code == 415
    assert answer.headers["content-type"] == "application/problem+json"


def test_two_content_types_are_refused(client: TestClient) -> None:
    headers = [("content-type", "application/json"), ("content-type", "text/plain")]
    assert client.post("/echo", content=b"{}", headers=headers).status_code == 415


def test_a_body_over_the_limit_is_refused_by_its_declared_size(client: TestClient) -> None:
    answer = client.post("/echo", content=b" " * 2049, headers=JSON)
    assert (answer.status_code, answer.json()["title"]) == (413, "Content too large")


def test_a_body_over_the_limit_is_refused_while_it_arrives(client: TestClient) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b" " * 512

    assert (
        client.post(
            "/echo", content=(part for _, part in zip(range(20), endless(), strict=False)), headers=JSON
        ).status_code
        == 413
    )


def test_a_body_that_does_not_come_ends_in_a_timeout() -> None:
    import asyncio

    sent: list[Any] = []

    async def never() -> Any:
        await asyncio.sleep(60)

    async def send(message: Any) -> None:
        sent.append(message)

    async def unreachable(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("the request went on without its body")

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/echo",
        "raw_path": b"/echo",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"content-length", b"10")],
    }
    gate = LimitsMiddleware(unreachable, limits=Limits(body_timeout_s=0.05))
    asyncio.run(gate(scope, never, send))
    assert sent[0]["status"] == 408


def test_another_host_is_refused(client: TestClient) -> None:
    assert client.get("/echo", headers={"host": "evil.example"}).status_code == 421
    assert client.get("/echo", headers={"host": "TestServer:8000"}).status_code == 200


def test_a_long_address_is_refused(client: TestClient) -> None:
    assert client.get("/echo", params={"q": "x" * 9000}).status_code == 414


@pytest.mark.parametrize("path", ["/echo%00", "/echo?q=%00"])
def test_a_nul_in_an_address_is_refused(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 400


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"a": NaN}', "not a finite number"),
        (b"[1e999]", "not finite"),
        (b"-Infinity", "not a finite number"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"b": {"a": 1, "a": 2}}', "twice"),
        (b"[" * 200 + b"]" * 200, "deeper"),
        (b"[" * 100_000, "deep"),
        (b"9" * 5000, "digits"),
        (b"[" + b"1," * 20_000 + b"1]", "values"),
        (b'"\\ud800"', "surrogate"),
        (b'{"\\udfff": 1}', "surrogate"),
        (b"\xff", "not valid JSON"),
        (b"{", "not valid JSON"),
    ],
)
def test_json_that_is_no_plain_value_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(ProblemError, match=reason):
        check_json(body)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(10**17), 10**17)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_categories=["Cs"])),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
        ),
        max_leaves=20,
    )
)
def test_plain_json_is_accepted(value: Any) -> None:
    check_json(json.dumps(value).encode())


@given(st.binary(max_size=300))
def test_bytes_that_are_no_json_are_refused(body: bytes) -> None:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        with pytest.raises(ProblemError):
            check_json(body)
