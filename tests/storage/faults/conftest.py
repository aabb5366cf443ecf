"""A server behind a proxy that loses, delays and refuses, and a server of one's own that may be killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from sqlalchemy import URL, make_url

COMMIT = b"COMMIT\x00"  # as psycopg sends it
_PORT = 5432

Lost = Literal["request", "reply"]


class TcpProxy:
    """Forwards connections on a port of this machine to a PostgreSQL server.

    Attributes:
        delay_s: seconds that each message of the client is held back.
        is_down: refuses connections; those that are open stay so until `cut`.
        loses: what of the next COMMIT is lost, together with its connection; None again once it is.
    """

    def __init__(self, server: URL) -> None:
        self.delay_s = 0.0
        self.is_down = False
        self.loses: Lost | None = None
        self._server = server
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """URL of the server through the proxy."""
        query = {name: value for name, value in self._server.query.items() if name != "host"}
        url = self._server.set(host="127.0.0.1", port=self.port, query=query)
        return url.render_as_string(hide_password=False)

    def cut(self) -> None:
        """Breaks every connection."""
        for client, server in list(self._pairs):
            self._break(client, server)

    def close(self) -> None:
        """Ends the proxy and its connections."""
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    if self.is_down:
                        raise ConnectionRefusedError
                    server = self._connect()
                except OSError:
                    client.close()
                    continue
                self._pairs.add((client, server))
                swallows = threading.Event()
                for run in (self._forward_requests, self._forward_replies):
                    threading.Thread(target=run, args=(client, server, swallows), daemon=True).start()

    def _connect(self) -> socket.socket:
        host = self._server.query.get("host", self._server.host)
        port = self._server.port or _PORT
        if not str(host).startswith("/"):
            return socket.create_connection((str(host), port))
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(f"{host}/.s.PGSQL.{port}")
        return connection

    def _forward_requests(
        self, client: socket.socket, server: socket.socket, swallows: threading.Event
    ) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                time.sleep(self.delay_s)
                if COMMIT in data and self.loses is not None:
                    lost, self.loses = self.loses, None
                    if lost == "request":
                        break
                    swallows.set()
                server.sendall(data)
        if not swallows.is_set():  # else the reply has yet to come
            self._break(client, server)

    def _forward_replies(
        self, client: socket.socket, server: socket.socket, swallows: threading.Event
    ) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if swallows.is_set():
                    break
                client.sendall(data)
        self._break(client, server)

    def _break(self, client: socket.socket, server: socket.socket) -> None:
        self._pairs.discard((client, server))
        for one in (client, server):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


class OwnServer:
    """A PostgreSQL server in a folder of its own, on a Unix socket."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._user = "postgres" if os.geteuid() == 0 else None  # the server refuses to run as root
        self._folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # a socket's path must be short
        if self._user:
            shutil.chown(self._folder, self._user)
        self._run("initdb", "-D", f"{self._data}", "-U", "nas", "-A", "trust", "--no-instructions")

    @property
    def url(self) -> str:
        """URL of its database."""
        return f"postgresql+psycopg://nas@/postgres?host={self._folder}"

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def start(self) -> None:
        """Starts it and waits until it answers."""
        settings = f"-k {self._folder} -c listen_addresses=''"
        log = str(self._folder / "log")
        self._run("pg_ctl", "-D", f"{self._data}", "-o", settings, "-l", log, "-t", "120", "-w", "start")

    def kill(self) -> None:
        """Kills it as a power cut would, and waits until all of its processes are gone."""
        process = int((self._data / "postmaster.pid").read_text().split()[0])
        os.kill(process, signal.SIGKILL)
        while subprocess.run(["pgrep", "-g", str(process)], capture_output=True, check=False).returncode == 0:
            time.sleep(0.05)

    def remove(self) -> None:
        """Stops it and deletes its folder."""
        subprocess.run(
            [self._programs / "pg_ctl", "-D", self._data, "-m", "immediate", "stop"],
            user=self._user,
            cwd=self._folder,
            capture_output=True,
            check=False,
        )
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._programs / program, *arguments],
            user=self._user,
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            check=True,
        )


@pytest.fixture
def proxy(postgres_url: str) -> Iterator[TcpProxy]:
    """A proxy before the server of the environment; its URL has a schema of its own."""
    made = TcpProxy(make_url(postgres_url))
    yield made
    made.close()


@pytest.fixture
def own_server() -> Iterator[OwnServer]:
    """A running server that may be killed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if on_path is None and not found:
        if os.environ.get("CI"):
            pytest.fail("CI kills a PostgreSQL server for real: install one")
        pytest.skip("no initdb on this machine")
    made = OwnServer(Path(on_path or found[-1]).parent)
    made.start()
    yield made
    made.remove()
