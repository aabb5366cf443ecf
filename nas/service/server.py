"""Running a service: where it may listen, how long it waits, what it says at the start."""

from __future__ import annotations

import asyncio
import gc
import importlib
import ipaddress
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from nas.errors import ConfigError
from nas.service.application import create_app
from nas.service.settings import ServiceSettings
from storage import Ledger

LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")
GRACE_S: Final = 10
_MAX_HEADERS: Final = 32 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Listening:
    """Where a service listens.

    Attributes:
        certificate: PEM file, for TLS by the service itself.
        key: of the certificate.
        is_behind_tls_proxy: another server of this machine or network speaks TLS to the outside.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    certificate: Path | None = None
    key: Path | None = None
    is_behind_tls_proxy: bool = False

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False

    @property
    def address(self) -> str:
        """As people write it."""
        scheme = "https" if self.certificate else "http"
        host = f"[{self.host}]" if ":" in self.host and not self.host.startswith("[") else self.host
        return f"{scheme}://{host}:{self.port}"


def check_listening(listening: Listening, ledger: Ledger) -> None:
    """Refuse to listen to the network where nobody has a token, or where tokens would travel in the open.

    Raises:
        ConfigError: it says what is missing.
    """
    if (listening.certificate is None) is not (listening.key is None):
        raise ConfigError("TLS needs both --tls-certificate and --tls-key")
    if listening.is_loopback:
        return
    if not any(token.is_valid and token.kind == "token" for token in ledger.tokens()):
        raise ConfigError(
            f"{listening.host} can be reached from outside, and there is no token; make one first: "
            "nas token create ACCOUNT --scope read"
        )
    if listening.certificate is None and not listening.is_behind_tls_proxy:
        raise ConfigError(
            f"{listening.host} can be reached from outside, and tokens would travel unencrypted; give "
            "--tls-certificate and --tls-key, or --behind-tls-proxy if another server speaks TLS"
        )


class Server(uvicorn.Server):
    """A uvicorn server that can be run in a thread, and says when it listens.

    Attributes:
        on_listening: called once, as soon as it does.
    """

    on_listening: Callable[[], None] = staticmethod(lambda: None)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, say so, and get ready for what the first reader would wait for."""
        await super().startup(sockets)
        if self.started:
            self.on_listening()
            threading.Thread(target=_get_ready, name="get-ready").start()

    @classmethod
    def of(cls, settings: ServiceSettings, listening: Listening) -> Server:
        """A server of a new application."""
        is_open = listening.is_loopback and not settings.hosts
        app = create_app(settings, hosts=LOOPBACK_NAMES if is_open else settings.hosts)
        return cls(
            uvicorn.Config(
                app,
                host=listening.host.strip("[]"),
                port=listening.port,
                http=_protocol(settings.limits.header_timeout_s),
                ws="none",
                h11_max_incomplete_event_size=_MAX_HEADERS,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=GRACE_S,
                server_header=False,
                access_log=False,
                log_config=None,
                proxy_headers=listening.is_behind_tls_proxy,
                ssl_certfile=listening.certificate,
                ssl_keyfile=listening.key,
            )
        )

    @property
    def port(self) -> int:
        """The port it listens on, once it does; useful with port 0."""
        listener: socket.socket = self.servers[0].sockets[0]
        return int(listener.getsockname()[1])


def _get_ready() -> None:
    """Do at once what would hold up requests later.

    The importances of a study are computed with Optuna, which takes a second to load. And whatever is loaded
    by then stays: left to the garbage collector, it would be searched again and again, for a tenth of a
    second and more, in which nothing is answered.
    """
    importlib.import_module("optuna.importance")
    gc.collect()
    gc.freeze()


def _protocol(header_timeout_s: float) -> type[asyncio.Protocol]:
    """HTTP/1.1 that closes connections which send no whole request head in time."""

    class _Protocol(H11Protocol):
        _head_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._expect_head()

        def data_received(self, data: bytes) -> None:
            if self._head_timer is None and self._is_idle():
                self._expect_head()
            super().data_received(data)
            if not self._is_idle():
                self._stop_timer()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_timer()
            super().connection_lost(exc)

        def _is_idle(self) -> bool:
            return self.cycle is None or self.cycle.response_complete

        def _expect_head(self) -> None:
            self._head_timer = self.loop.call_later(header_timeout_s, self._close_if_idle)

        def _close_if_idle(self) -> None:
            self._head_timer = None
            if self._is_idle() and self.transport is not None and not self.transport.is_closing():
                self.transport.close()

        def _stop_timer(self) -> None:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None

    return _Protocol
