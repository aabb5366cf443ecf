"""T9: whoever sends too much, too slowly or nothing at all keeps nobody else from being served."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Any

import httpx2
import pytest

IDLE = 1000
#: Of a process besides these connections.
OTHER_FILES = 200
BODY = 100 * 1024 * 1024
MOST_MEMORY = 48 * 1024 * 1024

pytestmark = [pytest.mark.slow, pytest.mark.alone]


def _connect(running: Any) -> socket.socket:
    return socket.create_connection(("127.0.0.1", running.port), timeout=60)


def _head(running: Any, headers: str, *, token: str | None = None) -> bytes:
    return (
        f"POST /api/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1:{running.port}\r\n"
        f"Authorization: Bearer {token or running.token}\r\n"
        f"Content-Type: application/json\r\n{headers}\r\n\r\n"
    ).encode()


def _status(connection: socket.socket) -> int:
    """Of the answer; 0 if the connection was closed without one."""
    data = b""
    with contextlib.suppress(ConnectionError):
        while b"\r\n" not in data and (part := connection.recv(65536)):
            data += part
    return int(data.split(b" ")[1]) if data else 0


def _send(connection: socket.socket, chunk: bytes, count: int) -> int:
    """Bytes that were sent until the other side had enough."""
    sent = 0
    with contextlib.suppress(ConnectionError):
        for _ in range(count):
            connection.sendall(chunk)
            sent += len(chunk)
    return sent


def _is_served(running: Any) -> bool:
    address = f"http://127.0.0.1:{running.port}/api/v1/studies"
    headers = {"authorization": f"Bearer {running.token}"}
    return bool(httpx2.get(address, headers=headers, timeout=60).status_code == 200)


@pytest.mark.parametrize("kind", ["declared", "chunked", "declared by nobody", "chunked by nobody"])
def test_a_body_of_100_mb_is_refused_and_never_held(kind: str, running: Any) -> None:
    assert _is_served(running)
    before = running.peak_bytes()
    token = "nas_" + "0" * 16 + "_" + "A" * 43 if "nobody" in kind else None
    is_chunked = kind.startswith("chunked")
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n" if is_chunked else b" " * 65536
    headers = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {BODY}"
    with _connect(running) as connection:
        connection.sendall(_head(running, headers, token=token))
        _send(connection, chunk, BODY // 65536)
        # A connection that is closed while it still sends may lose the answer.
        assert _status(connection) in ((401, 0) if token else (413, 0))
    assert running.peak_bytes() - before < MOST_MEMORY
    assert _is_served(running)


def test_a_declared_size_above_the_limit_is_refused_unread(running: Any) -> None:
    with _connect(running) as connection:
        connection.sendall(_head(running, f"Content-Length: {BODY}"))
        assert _status(connection) == 413


def test_idle_connections_keep_nobody_from_being_served_and_are_closed(running: Any, most_files: int) -> None:
    if most_files < IDLE + OTHER_FILES:
        pytest.skip(f"{IDLE} connections need {IDLE + OTHER_FILES} open files, {most_files} are allowed")
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(_connect(running)) for _ in range(IDLE)]
        assert all(_is_served(running) for _ in range(20))
        for connection in idle:
            assert connection.recv(1) == b""
    assert _is_served(running)


@pytest.mark.parametrize("part", ["head", "body"])
def test_a_dribble_is_cut_off_although_it_never_stops(part: str, running: Any) -> None:
    with _connect(running) as connection:
        if part == "head":
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        else:
            connection.sendall(_head(running, "Content-Length: 100000"))
        dribble = threading.Thread(target=_dribble, args=(connection,))
        dribble.start()
        assert _status(connection) in ((408, 400, 0) if part == "head" else (408, 0))
        dribble.join(60)
        assert not dribble.is_alive()


def _dribble(connection: socket.socket) -> None:
    """A byte now and then until nobody takes it."""
    with contextlib.suppress(OSError):
        for _ in range(600):
            connection.sendall(b" ")
            time.sleep(0.05)


def test_a_head_without_end_is_refused(running: Any) -> None:
    with _connect(running) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ")
        _send(connection, b"a" * 65536, 64)
        assert _status(connection) in (400, 431, 0)
    assert _is_served(running)


def test_a_page_has_no_more_entries_than_the_service_allows(api: Any) -> None:
    client = api("alice")
    for name in ("studies", "jobs", "exports", "studies/alice.tiny/trials"):
        answer = client.get(f"/api/v1/{name}?limit=1000000000")
        assert answer.status_code in (200, 422), name


def test_a_search_beyond_the_caps_is_refused(api: Any) -> None:
    config = {
        "version": 1,
        "name": "much",
        "model": {"id": "tiny-bert", "task": "sequence-classification"},
        "data": {"validation": "tiny-validation"},
        "objectives": ["max accuracy"],
        "search": {"trials": 100_001},
    }
    answer = api("alice").post("/api/v1/jobs", json={"config": config})
    assert (answer.status_code, "at most 100000" in answer.json()["detail"]) == (422, True)
