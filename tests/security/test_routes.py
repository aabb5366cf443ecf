"""T1, T3, T11, T16: who gets what of which route."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

PUBLIC = {("GET", "/healthz"), ("POST", "/login"), ("GET", "/assets/{name}")}
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
JSON = {"content-type": "application/json"}
WRONG = "nas_" + "0" * 16 + "_" + "A" * 43


def _strangers(token: str) -> dict[str, list[tuple[str, str]]]:
    """Headers of those who have no right token."""
    bearer = f"Bearer {token}"
    return {
        "none": [],
        "empty": [("authorization", "")],
        "no token": [("authorization", "Bearer ")],
        "another scheme": [("authorization", f"Basic {token}")],
        "wrong": [("authorization", f"Bearer {WRONG}")],
        "wrong secret": [("authorization", bearer[:-4] + "AAAA")],
        "twice": [("authorization", bearer), ("authorization", bearer)],
        "two in one": [("authorization", f"{bearer}, {bearer}")],
        "in the query": [("x-token", token)],
        "in a cookie of another name": [("cookie", f"session={token}")],
        "a broken cookie": [("cookie", "nas_session=\x01;;;=")],
    }


def test_every_route_but_the_public_ones_needs_a_token(
    app: Any, api: Callable[..., Any], addresses: list[Any]
) -> None:
    client = TestClient(app, raise_server_exceptions=False)
    strangers = _strangers(api().token)
    for address in addresses:
        if (address.method, address.template) in PUBLIC:
            continue
        answers = {
            name: client.request(
                address.method, address.path, headers=[*headers, *JSON.items()], content="{}"
            )
            for name, headers in strangers.items()
        }
        statuses = {name: answer.status_code for name, answer in answers.items()}
        assert set(statuses.values()) == {401}, (address, statuses)
        assert len({answer.content for answer in answers.values()}) == 1, address
        assert answers["none"].headers["www-authenticate"] == "Bearer"


def test_a_refusal_is_the_same_for_what_there_is_and_what_there_is_not(
    app: Any, addresses: list[Any]
) -> None:
    client = TestClient(app, raise_server_exceptions=False)
    paths = [address.path for address in addresses if (address.method, address.template) not in PUBLIC]
    answers = {client.get(path).content for path in [*paths, "/nothing", "/api/v1/nothing", "/.env", "/docs"]}
    assert len(answers) == 1


def test_no_method_of_a_path_is_open(app: Any, addresses: list[Any]) -> None:
    client = TestClient(app, raise_server_exceptions=False)
    public = {"/healthz", "/login", "/assets/nothing"}
    for path in {address.path for address in addresses} - public:
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"):
            assert client.request(method, path).status_code == 401, (method, path)
    for path in public:
        for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
            assert client.request(method, path).status_code == 401, (method, path)


def test_browsers_without_a_session_get_one_page_whatever_they_ask_for(app: Any) -> None:
    client = TestClient(app, headers={"accept": "text/html"})
    answers = [client.get(path) for path in ("/", "/studies/alice.tiny", "/jobs/1", "/nothing")]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1


def test_every_route_asks_for_a_scope(app: Any, addresses: list[Any]) -> None:
    from fastapi.routing import iter_route_contexts

    def names(dependant: Any) -> set[str]:
        own = {getattr(dependant.call, "__name__", "")}
        return own.union(*(names(below) for below in dependant.dependencies))

    without = {
        (method, route.path)
        for route in iter_route_contexts(app.routes)
        for method in route.methods or ()
        if not any(name.startswith("requires_") for name in names(route.dependant))
    }
    assert without == PUBLIC


@pytest.mark.parametrize(
    ("scopes", "method", "path"),
    [
        (("search",), "GET", "/api/v1/studies"),
        (("read", "export"), "POST", "/api/v1/jobs"),
        (("read", "export"), "POST", "/api/v1/jobs/1:cancel"),
        (("read", "export"), "PATCH", "/api/v1/jobs/1"),
        (("read", "search"), "POST", "/api/v1/exports"),
        (("read", "search", "export"), "PUT", "/api/v1/targets/edge"),
        (("export",), "GET", "/metrics"),
    ],
)
def test_a_token_without_the_scope_is_refused_without_a_look(
    scopes: tuple[str, ...], method: str, path: str, api: Callable[..., Any]
) -> None:
    answer = api("alice", scopes).request(method, path, json={"trials": 5})
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/forbidden")


# T3


def test_another_account_sees_nothing_of_alices_work(api: Callable[..., Any], addresses: list[Any]) -> None:
    """Every address that shows alice something is for bob as if there were nothing."""
    alice, bob = api("alice"), api("bob")
    unknown = bob.get("/api/v1/studies/nobody.has-this")
    shown = 0
    for address in addresses:
        if address.method != "GET" or "{" not in address.template or "/assets/" in address.path:
            continue
        path = address.path.replace("/files/nothing", "/files/config.json")
        path += "?trial=0&trial=1" if path.endswith("/compare") else ""
        mine, theirs = alice.get(path), bob.get(path)
        shown += mine.status_code == 200
        assert theirs.status_code == 404, (address, theirs.status_code)
        assert "alice" not in theirs.text
        if path.startswith("/api/"):
            assert theirs.content == unknown.content, address
    assert shown > 15


def test_lists_of_another_account_are_empty(api: Callable[..., Any]) -> None:
    alice, bob = api("alice"), api("bob")
    for name in ("studies", "jobs", "exports"):
        assert alice.get(f"/api/v1/{name}").json()[name], name
        for query in ("", "?study=alice.tiny"):
            assert bob.get(f"/api/v1/{name}{query}").json()[name] == []


@pytest.mark.parametrize("path", ["/", "/studies", "/cards", "/jobs", "/exports", "/jobs/list", "/metrics"])
def test_pages_of_another_account_do_not_name_alices_work(path: str, api: Callable[..., Any]) -> None:
    answer = api("bob").get(path)
    assert answer.status_code == 200
    assert "alice" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/v1/studies/alice.tiny/select", {"where": []}),
        ("PATCH", "/api/v1/jobs/1", {"trials": 5}),
        ("POST", "/api/v1/jobs/1:pause", {}),
        ("POST", "/api/v1/jobs/1:cancel", {}),
        ("POST", "/api/v1/jobs/1:resume", {}),
        ("POST", "/api/v1/exports", {"study": "alice.tiny", "trial": 0}),
    ],
)
def test_nobody_acts_on_what_belongs_to_another(
    method: str, path: str, body: dict[str, Any], api: Callable[..., Any], app: Any
) -> None:
    before = app.state.service.ledger.jobs()
    assert api("bob").request(method, path, json=body).status_code == 404
    assert app.state.service.ledger.jobs() == before


def test_an_administrator_sees_what_belongs_to_whom(admin_api: Any) -> None:
    found = {study["account"] for study in admin_api.get("/api/v1/studies").json()["studies"]}
    assert found == {"alice", None}


# T11


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_what_a_form_of_a_foreign_page_sends_is_refused(
    kind: str, api: Callable[..., Any], addresses: list[Any]
) -> None:
    client = api("alice")
    for address in addresses:
        if address.method in UNSAFE:
            answer = client.request(
                address.method, address.path, content=b"a=1", headers={"content-type": kind}
            )
            assert answer.status_code == 415, address


@pytest.mark.parametrize(
    "origin", [None, "null", "http://evil.example", "http://testserver.evil.example", ""]
)
def test_a_session_acts_only_from_the_services_own_pages(
    origin: str | None, app: Any, api: Callable[..., Any], addresses: list[Any]
) -> None:
    browser = TestClient(app, raise_server_exceptions=False)
    assert browser.post("/login", json={"token": api("alice").token}).status_code == 204
    headers = {} if origin is None else {"origin": origin}
    for address in addresses:
        if address.method in UNSAFE and address.template != "/login":
            answer = browser.request(address.method, address.path, json={}, headers=headers)
            assert (answer.status_code, answer.json()["type"]) == (403, "/problems/foreign-origin"), address
    assert browser.get("/api/v1/studies").status_code == 200


def test_a_session_acts_from_the_services_own_pages(app: Any, api: Callable[..., Any]) -> None:
    browser = TestClient(app, raise_server_exceptions=False)
    browser.post("/login", json={"token": api("alice").token})
    answer = browser.post(
        "/api/v1/studies/alice.tiny/select", json={"where": []}, headers={"origin": "http://testserver"}
    )
    assert answer.status_code == 200


def test_a_sessions_cookie_is_for_this_site_and_no_script(app: Any, api: Callable[..., Any]) -> None:
    answer = TestClient(app).post("/login", json={"token": api("alice").token})
    attributes = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/"} <= attributes


def test_no_other_site_may_read_an_answer(api: Callable[..., Any]) -> None:
    answer = api("alice").get("/api/v1/studies", headers={"origin": "http://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control-")]


# T16


def test_an_error_nobody_foresaw_says_nothing_of_the_inside(
    app: Any, api: Callable[..., Any], addresses: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **options: object) -> None:
        raise RuntimeError("secret-of-the-inside in /srv/nas/private.py")

    client = api("alice")
    assert client.get("/api/v1/studies").status_code == 200  # the token is known from here on
    reads = ("study", "studies", "study_status", "study_statuses", "job", "newest_jobs")
    for name in (*reads, "targets", "target", "export_files"):
        if hasattr(app.state.service.ledger, name):
            monkeypatch.setattr(type(app.state.service.ledger), name, fail, raising=False)
    failed = 0
    for address in addresses:
        if address.method != "GET" or address.template.startswith(("/assets", "/healthz")):
            continue
        answer = client.get(address.path)
        failed += answer.status_code == 500
        assert "secret-of-the-inside" not in answer.text
        assert "Traceback" not in answer.text
        assert ".py" not in answer.text
    assert failed > 20
    answer = client.get("/api/v1/studies")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert set(answer.json()) == {"type", "title", "status", "detail"}


def test_every_answer_forbids_what_no_page_needs(
    app: Any, api: Callable[..., Any], addresses: list[Any]
) -> None:
    client, stranger = api("alice"), TestClient(app, raise_server_exceptions=False)
    for address in addresses:
        if address.method != "GET":
            continue
        for answer in (client.get(address.path), stranger.get(address.path)):
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy, address
            assert "frame-ancestors 'none'" in policy, address
            assert "unsafe" not in policy, address
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "server" not in answer.headers


def test_a_foreign_host_is_refused_where_hosts_are_named(service_settings: Any) -> None:
    from nas.service.application import create_app
    from nas.service.authentication import issue_token

    application = create_app(service_settings, hosts=("nas.example",))
    with TestClient(application, base_url="http://nas.example") as client:
        token = issue_token(application.state.service.ledger, "alice", ["read"])
        headers = {"authorization": f"Bearer {token}"}
        assert client.get("/api/v1/studies", headers=headers).status_code == 200
        answer = client.get("/api/v1/studies", headers={**headers, "host": "evil.example"})
        assert answer.status_code == 421


def test_the_description_of_the_service_is_not_public(app: Any, api: Callable[..., Any]) -> None:
    stranger = TestClient(app, raise_server_exceptions=False)
    for path in ("/docs", "/redoc", "/openapi.json", "/api/v1/openapi.json"):
        assert stranger.get(path).status_code == 401
    assert "paths" in json.loads(api("alice").get("/api/v1/openapi.json").text)
