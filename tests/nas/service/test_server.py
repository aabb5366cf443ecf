"""Where a service may listen, and how long it waits for whoever is slow."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nas.errors import ConfigError
from nas.service.authentication import issue_token
from nas.service.server import Listening, Server, check_listening
from storage import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(f"sqlite:///{tmp_path / 'nas.db'}") as opened:
        yield opened


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.8.9.1"])
def test_loopback_needs_neither_token_nor_tls(ledger: Ledger, host: str) -> None:
    check_listening(Listening(host=host), ledger)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "nas.example"])
def test_the_network_is_refused_without_a_token(ledger: Ledger, host: str) -> None:
    with pytest.raises(ConfigError, match="nas token create"):
        check_listening(Listening(host=host, is_behind_tls_proxy=True), ledger)


def test_the_network_is_refused_without_tls(ledger: Ledger) -> None:
    issue_token(ledger, "alice", ["read"])
    with pytest.raises(ConfigError, match="unencrypted"):
        check_listening(Listening(host="0.0.0.0"), ledger)
    check_listening(Listening(host="0.0.0.0", is_behind_tls_proxy=True), ledger)


def test_a_token_that_is_over_opens_nothing(ledger: Ledger) -> None:
    issue_token(ledger, "alice", ["read"], lifetime_s=1e-6)
    while any(token.is_valid for token in ledger.tokens()):
        pass  # until the database's clock, which may count milliseconds, goes on
    with pytest.raises(ConfigError, match="there is no token"):
        check_listening(Listening(host="0.0.0.0", is_behind_tls_proxy=True), ledger)


def test_a_certificate_without_its_key_is_refused(ledger: Ledger) -> None:
    with pytest.raises(ConfigError, match="--tls-key"):
        check_listening(Listening(certificate=Path("a.pem")), ledger)


@pytest.fixture
def port(service_settings: Any) -> Iterator[int]:
    """Of a service in a thread that waits 0.5 s for a request's head."""
    limits = service_settings.limits.model_copy(update={"header_timeout_s": 0.5, "body_timeout_s": 0.5})
    server = Server.of(service_settings.model_copy(update={"limits": limits}), Listening(port=0))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    yield server.port
    server.should_exit = True
    thread.join()


def _answer(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def test_a_connection_that_says_nothing_is_closed(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        assert _answer(connection) == b""


def test_a_head_that_dribbles_is_closed(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        assert b"200" not in _answer(connection)


def test_a_second_head_that_dribbles_is_closed(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200 OK" in connection.recv(65536)
        connection.sendall(b"GET /healthz HTTP/1.1\r\nX-Slow: ")
        assert b"200" not in _answer(connection)


def test_a_body_that_dribbles_is_answered_with_a_timeout(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90\r\n\r\n{")
        assert b"408" in _answer(connection).partition(b"\r\n")[0]


def test_answers_do_not_name_the_server(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        head = _answer(connection).partition(b"\r\n\r\n")[0].lower()
    assert b"\r\nserver:" not in head
    assert b"content-security-policy: default-src 'none'" in head
