"""Who gets past the gate of a running service, and with what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from nas.service.gate import COOKIE

ORIGIN = {"origin": "http://testserver"}


@pytest.fixture
def stranger(app: Any) -> TestClient:
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture
def visitor(app: Any, api: Callable[..., Any]) -> TestClient:
    """A client that has logged in and has the cookie only."""
    client = TestClient(app, raise_server_exceptions=False)
    assert client.post("/login", json={"token": api().token}, headers=ORIGIN).status_code == 204
    return client


def test_health_is_for_everybody(stranger: TestClient) -> None:
    assert stranger.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/api/v1/studies", "/nowhere", "/metrics", "/readyz", "/api/v1/openapi.json"]
)
def test_strangers_get_one_answer_everywhere(stranger: TestClient, path: str) -> None:
    answer = stranger.get(path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.text == stranger.get("/api/v1/jobs").text


def test_people_without_a_session_see_the_login_page(stranger: TestClient) -> None:
    answer = stranger.get("/studies/secret", headers={"accept": "text/html"})
    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith("text/html")
    assert "secret" not in answer.text


def test_the_api_never_answers_with_the_login_page(stranger: TestClient) -> None:
    answer = stranger.get("/api/v1/studies", headers={"accept": "text/html"})
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_token_opens_what_it_may(api: Callable[..., Any]) -> None:
    assert api().get("/api/v1/studies").status_code == 200
    forbidden = api("bob", ("export",)).get("/api/v1/studies")
    assert (forbidden.status_code, forbidden.json()["type"]) == (403, "/problems/forbidden")


def test_an_unknown_address_is_not_there_for_those_with_a_token(admin_api: Any) -> None:
    answer = admin_api.get("/api/v1/nowhere")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")


def test_a_session_is_a_cookie_that_no_script_reads(app: Any, api: Callable[..., Any]) -> None:
    client = TestClient(app)
    answer = client.post("/login", json={"token": api().token})
    assert answer.status_code == 204
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert api().token not in answer.headers["set-cookie"]


def test_a_session_reads_and_logs_out(visitor: TestClient) -> None:
    assert visitor.get("/api/v1/studies").status_code == 200
    session = visitor.cookies[COOKIE]
    assert visitor.post("/logout", json={}, headers=ORIGIN).status_code == 204
    assert visitor.get("/api/v1/studies", headers={"cookie": f"{COOKIE}={session}"}).status_code == 401


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "", "http://testserver.evil.example"])
def test_a_foreign_page_cannot_act_with_a_session(visitor: TestClient, origin: str) -> None:
    headers = {"origin": origin} if origin else {}
    answer = visitor.post("/logout", json={}, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/foreign-origin")


def test_a_wrong_token_starts_no_session(stranger: TestClient) -> None:
    answer = stranger.post("/login", json={"token": "nas_" + "0" * 16 + "_" + "x" * 43}, headers=ORIGIN)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


def test_a_token_in_the_address_or_body_is_no_token(stranger: TestClient, api: Callable[..., Any]) -> None:
    assert stranger.get("/api/v1/studies", params={"token": api().token}).status_code == 401


def test_two_authorization_headers_are_nobody(stranger: TestClient, api: Callable[..., Any]) -> None:
    bearer = f"Bearer {api().token}"
    answer = stranger.get("/api/v1/studies", headers=[("authorization", bearer), ("authorization", bearer)])
    assert answer.status_code == 401


def test_whoever_guesses_has_to_wait_and_others_do_not(
    app: Any, stranger: TestClient, api: Callable[..., Any]
) -> None:
    known = api()
    assert known.get("/api/v1/studies").status_code == 200
    failures = app.state.service.authenticator.failures
    failures._per_minute = 3
    wrong = {"authorization": "Bearer nas_wrong"}
    assert [stranger.get("/", headers=wrong).status_code for _ in range(5)] == [401, 401, 401, 429, 429]
    assert stranger.get("/healthz").status_code == 200


def test_the_description_is_for_readers(api: Callable[..., Any]) -> None:
    document = api().get("/api/v1/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert "/api/v1/studies" in document["paths"]


def test_sessions_that_are_over_are_forgotten_at_the_start(service_settings: Any) -> None:
    from nas.service.application import create_app
    from nas.service.authentication import issue_token
    from storage import Ledger

    with Ledger.open(service_settings.storage.url) as ledger:
        kept = issue_token(ledger, "alice", ["read"], lifetime_s=1e-6)
        issue_token(ledger, "alice", ["read"], kind="session", label=kept.split("_")[1], lifetime_s=1e-6)
        while any(token.is_valid for token in ledger.tokens()):
            pass  # until the database's clock, which may count milliseconds, goes on
        with TestClient(create_app(service_settings)):
            assert [token.kind for token in ledger.tokens()] == ["token"]
