"""T4, T6: no parameter reaches a file that it should not, and no request makes the service call anybody."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
from fastapi import FastAPI, Header

from benchmarks.fuzz.places import Place, places_of

CANARY = "canary-7f3a9c"
PASSWD = "root:x:0:0"
NUM_PAYLOADS = 300
#: What there is for alice.
KNOWN = {"study": "alice.tiny", "number": "0", "name": "config.json", "job_id": "1", "export_id": "2"}


@dataclass(frozen=True, kw_only=True)
class Request:
    """A path and a query as they stand in an address, and a header besides."""

    method: str
    path: str
    query: str
    header: dict[str, str]


class Watch:
    """What this process opened, connected to and started while somebody looked."""

    def __init__(self) -> None:
        self.is_on = False
        self.events: list[tuple[str, Any]] = []

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.is_on and event in ("open", "socket.connect", "socket.getaddrinfo", "subprocess.Popen"):
            self.events.append((event, arguments[1] if event == "socket.connect" else arguments[0]))

    @contextmanager
    def on(self) -> Iterator[list[tuple[str, Any]]]:
        """Look for the length of the block."""
        self.events.clear()
        self.is_on = True
        try:
            yield self.events
        finally:
            self.is_on = False


@pytest.fixture(scope="module")
def watch() -> Watch:
    """Installed once: a hook stays for the life of the process."""
    made = Watch()
    sys.addaudithook(made.hook)
    return made


@pytest.fixture(scope="module")
def outside(service_settings: Any) -> Path:
    """A file beside the service's folder, and links to it from within."""
    folder = Path(service_settings.folder)
    secret = folder.parent / "outside" / "secret.txt"
    secret.parent.mkdir()
    secret.write_text(CANARY)
    for place in (folder / "artifacts" / "exports" / "2", folder / "artifacts" / "exports", folder):
        (place / "link").symlink_to(secret)
        (place / "up").symlink_to(secret.parent)
    return secret


def payloads(outside: Path) -> list[str]:
    """At least 300 ways to write a path to a file that nobody may have, as they stand in an address."""
    name = "outside/secret.txt"
    plain = [f"{'../' * depth}{name}" for depth in range(1, 9)]
    plain += [f"{'../' * depth}etc/passwd" for depth in (4, 6, 8, 12)]
    plain += [
        str(outside),
        "/etc/passwd",
        "//etc/passwd",
        "/proc/self/environ",
        "/proc/self/fd/0",
        "~/.ssh/id_rsa",
    ]
    plain += [
        "link",
        "up/secret.txt",
        "config.json/../link",
        "./link",
        "link/",
        "config.json/../../../../nas.db",
    ]
    plain += [
        "file:///etc/passwd",
        "sqlite:////etc/passwd",
        "http://127.0.0.1:1/x",
        "//evil.example/x",
        "\\\\evil\\x",
    ]
    found: list[str] = []
    for text in plain:
        dotted = text.replace("../", "....//")
        found += [
            quote(text, safe=""),
            quote(text, safe="/"),
            quote(quote(text, safe=""), safe=""),
            quote(text, safe="").replace(".", "%2e"),
            quote(quote(text, safe="").replace(".", "%2e"), safe=""),
            quote(text.replace("/", "\\"), safe=""),
            quote(text.replace("/", "--"), safe=""),
            quote(dotted, safe=""),
            quote(text + ".json", safe=""),
            quote(text.replace("../", "..;/"), safe=""),
            quote(text.replace("..", "\u2025").replace("/", "\u2215"), safe=""),
            quote(text.replace(".", "\uff0e").replace("/", "\uff0f"), safe=""),
            text.replace("../", "%c0%ae%c0%ae%c0%af").replace("/", "%c0%af"),
            quote(text, safe="") + "%0a",
        ]
    found += ["%00", "%2e", "%2e%2e", "..", ".", "%ff%fe", "a" * 5000, "%2e%2e%2f" * 700, "-1", "9" * 400]
    return [*dict.fromkeys(found)]


def test_there_are_enough_payloads(outside: Path) -> None:
    assert len(payloads(outside)) >= NUM_PAYLOADS


def test_every_parameter_of_pages_and_of_rest_is_a_place(app: Any, addresses: list[Any]) -> None:
    places = list(places_of(app, KNOWN))
    in_paths = {(place.method, place.route) for place in places if "{}" in place.template}
    in_queries = {(place.method, place.route, place.query) for place in places if place.query}
    for address in addresses:
        if "{" in address.template:
            assert (address.method, address.template) in in_paths
        for name in address.query:
            assert (address.method, address.template, name) in in_queries
    assert ("GET", "/studies/{study}/trials/{number}/latency") in in_paths
    assert ("GET", "/cards", "seen") in in_queries
    assert {"Idempotency-Key", "Range"} <= {place.header for place in places}


def test_a_route_that_is_new_is_tried_in_all_its_parameters() -> None:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    @app.put("/new/{study}/of/{thing}", include_in_schema=False)
    def new(study: str, thing: str, sort: str = "", last: str = Header(alias="X-Last")) -> None:
        """Answers nothing."""

    places = [place for place in places_of(app, KNOWN) if place.method == "PUT"]
    assert [place.address("PAYLOAD") for place in places if place.header is None] == [
        "/new/PAYLOAD/of/1",
        "/new/alice.tiny/of/PAYLOAD",
        "/new/alice.tiny/of/1?sort=PAYLOAD",
    ]
    assert [place.header for place in places if place.header] == ["X-Last"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_parameter_of_any_route_reaches_a_file_or_another_machine(
    app: Any, admin_api: Any, outside: Path, service_settings: Any, watch: Watch
) -> None:
    """As an administrator, who may see all that the service has."""
    assert admin_api.get("/api/v1/studies").status_code == 200
    texts = payloads(outside)
    places = [place for place in places_of(app, KNOWN) if place.body is None]
    requests = [request for place in places for request in _attacks(place, texts)]
    assert len(requests) > 10_000
    with watch.on() as events:
        statuses = asyncio.run(_leaks(app, admin_api.token, requests))
    assert {status for status in statuses if status >= 500} == set()
    _check_events(events, Path(service_settings.folder))


def test_no_text_of_a_body_reaches_a_file_or_another_machine(
    admin_api: Any, outside: Path, service_settings: Any, watch: Watch
) -> None:
    texts = [str(outside), "../outside/secret.txt", "/etc/passwd", "http://127.0.0.1:1/x", "a/b", "\x00"]
    with watch.on() as events:
        for text in texts:
            for method, path, body in _bodies(text):
                answer = admin_api.request(method, path, json=body)
                assert 400 <= answer.status_code < 500, (path, body, answer.text)
                assert CANARY not in answer.text
    _check_events(events, Path(service_settings.folder))


def test_a_file_of_an_export_is_found_by_its_row_alone(
    api: Any, outside: Path, service_settings: Any
) -> None:
    """A row that names a link, or a file that became one, opens nothing outside."""
    client = api("alice")
    path = Path(service_settings.folder) / "artifacts" / "exports" / "2" / "config.json"
    content = path.read_bytes()
    assert client.get("/api/v1/exports/2/files/config.json").content == content
    path.unlink()
    path.symlink_to(outside)
    try:
        for name in ("files/config.json", "archive"):
            answer = client.get(f"/api/v1/exports/2/{name}")
            assert answer.status_code == 410
            assert CANARY not in answer.text
    finally:
        path.unlink()
        path.write_bytes(content)


def _attacks(place: Place, texts: list[str]) -> Iterator[Request]:
    """Each text in a parameter of a path, a part of them in any other."""
    is_in_path = "{}" in place.template
    for text in texts if is_in_path else texts[:: max(1, len(texts) // 60)]:
        path, _, query = place.address(text).partition("?")
        header = {} if place.header is None else {place.header.lower(): text}
        yield Request(method=place.method, path=path, query=query, header=header)


def _bodies(text: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    config = {
        "version": 1,
        "name": "mine",
        "model": {"id": "tiny-bert", "task": "sequence-classification"},
        "data": {"validation": "tiny-validation"},
        "objectives": ["max accuracy"],
    }
    for change in (
        {"name": text},
        {"model": {"id": text, "task": "sequence-classification"}},
        {"data": {"validation": text}},
        {"data": {"validation": "tiny-validation", "train": text}},
        {"supernet": {"checkpoint": text}},
        {"storage": {"url": text, "artifacts": text}},
        {"workers": {"address": text}},
    ):
        yield "POST", "/api/v1/jobs", {"config": {**config, **change}}
        yield "POST", "/api/v1/spaces/profile", {"config": {**config, **change}}
    yield "POST", "/api/v1/jobs", {"yaml": json.dumps({**config, "model": text})}
    yield "POST", "/api/v1/exports", {"study": text, "trial": 0}
    yield "POST", "/api/v1/exports", {"study": "alice.tiny", "trial": 0, "formats": [text]}
    yield "POST", "/api/v1/exports", {"study": "alice.tiny", "trial": 0, "weights": text}
    yield "POST", "/api/v1/studies/alice.tiny/select", {"where": [text]}


async def _leaks(app: Any, token: str, requests: list[Request]) -> set[int]:
    """The statuses of all answers; none of them may hold what lies outside."""
    statuses = set()
    for request in requests:
        status, body = await _answer(app, token, request)
        assert CANARY.encode() not in body, request
        assert PASSWD.encode() not in body, request
        statuses.add(status)
    return statuses


async def _answer(app: Any, token: str, request: Request) -> tuple[int, bytes]:
    """Ask the application itself, with the bytes of an address as a client may send them."""
    body = b"{}" if request.method != "GET" else b""
    headers = [(b"host", b"testserver"), (b"authorization", f"Bearer {token}".encode())]
    headers += [(b"content-type", b"application/json")] if body else []
    headers += [(name.encode(), text.encode("latin-1", "replace")) for name, text in request.header.items()]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": unquote(request.path, errors="replace"),
        "raw_path": request.path.encode("latin-1", "replace"),
        "query_string": request.query.encode("latin-1", "replace"),
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("testserver", 80),
        "app": app,
    }
    sent: list[Any] = []
    is_given = False

    async def receive() -> Any:
        nonlocal is_given
        if is_given:
            return {"type": "http.disconnect"}
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


def _check_events(events: list[tuple[str, Any]], folder: Path) -> None:
    """Only files of the service and of Python were opened, and nobody was called."""
    roots = [folder, Path(__file__).resolve().parents[2], sysconfig.get_path("stdlib"), sys.prefix]
    allowed = tuple(os.fsencode(os.path.realpath(root)) for root in roots)
    foreign = []
    for event, argument in events:
        if event != "open":
            foreign.append((event, argument))
        elif isinstance(argument, str | bytes):
            path = os.fsencode(argument)
            if path.startswith(b"/"):
                is_fine = os.path.realpath(path).startswith(allowed)
            else:  # relative to a descriptor of a folder, one part at a time
                is_fine = b"/" not in path and path not in (b"..", b".", b"link", b"up")
            if not is_fine:
                foreign.append((event, argument))
    assert foreign == []
