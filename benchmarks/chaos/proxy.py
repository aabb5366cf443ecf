"""A wire between a driver and PostgreSQL that can be slow, or break at the worst moment."""

from __future__ import annotations

import shutil
import socket
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_SOCKET = ".s.PGSQL.5432"
_BYTES = 65_536


class Wire:
    """Context manager: a socket in a folder of its own, each connection forwarded to the server's.

    Attributes:
        delay_s: pause before anything that the client sends is forwarded.
        drops: acknowledgements of a COMMIT still to be lost: the server commits, the connection breaks
            before its answer arrives.
        dropped: how many were.
    """

    def __init__(self, server: Path) -> None:
        self._server = str(server / _SOCKET)
        self._folder = Path(tempfile.mkdtemp(prefix="nas-wire-"))
        self._listener = socket.socket(socket.AF_UNIX)
        self._lock = threading.Lock()
        self.delay_s = 0.0
        self.drops = 0
        self.dropped = 0

    @property
    def url(self) -> str:
        """Of the database behind it."""
        return f"postgresql+psycopg://nas@/postgres?host={self._folder}"

    def __enter__(self) -> Self:
        self._listener.bind(str(self._folder / _SOCKET))
        self._folder.chmod(0o755)
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _close(self._listener)  # a shutdown wakes the thread that accepts
        shutil.rmtree(self._folder, ignore_errors=True)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(self._server)
        except OSError:
            client.close()
            return
        is_lost = threading.Event()
        answers = threading.Thread(target=self._forward_answers, args=(server, client, is_lost), daemon=True)
        answers.start()
        with suppress(OSError):
            while data := client.recv(_BYTES):
                time.sleep(self.delay_s)
                if b"COMMIT" in data and self._takes_drop():
                    is_lost.set()
                server.sendall(data)
        _close(client, server)

    def _forward_answers(
        self, server: socket.socket, client: socket.socket, is_lost: threading.Event
    ) -> None:
        with suppress(OSError):
            while data := server.recv(_BYTES):
                if is_lost.is_set():
                    break
                client.sendall(data)
        _close(client, server)

    def _takes_drop(self) -> bool:
        with self._lock:
            if self.drops == 0:
                return False
            self.drops -= 1
            self.dropped += 1
            return True


def _close(*sockets: socket.socket) -> None:
    for one in sockets:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
