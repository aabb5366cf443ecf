"""Around every request: an id that its log lines and its answer bear, a line in the log, its metrics."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import MutableMapping
from contextlib import ExitStack
from typing import Any, Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nas.service.metrics import Metrics

HEADER: Final = "X-Request-ID"
#: Label of paths that no route has; they are whatever anyone sends.
UNMATCHED: Final = "unmatched"
#: What probes ask all day long.
_PROBES: Final = frozenset({"/healthz", "/readyz", "/metrics"})
_SAFE_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_STREAM: Final = b"text/event-stream"
#: Parameters of paths that are named in the log, by the field that they go into.
_FIELDS: Final = {
    "study": "study",
    "number": "trial",
    "trial": "trial",
    "job": "job",
    "job_id": "job",
    "export": "job",
    "export_id": "job",
}
_log = logging.getLogger("nas.service.request")


class ObservabilityMiddleware:
    """The outermost ASGI middleware of a service."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request as the application does, and write down how it went."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = request_id_of(Headers(scope=scope).get(HEADER))
        answer = _Answer(send, request_id, self._metrics)
        began = time.perf_counter()
        structlog.contextvars.clear_contextvars()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, answer.send)
            finally:
                answer.close()
                self._note(scope, answer, time.perf_counter() - began)

    def _note(self, scope: Scope, answer: _Answer, seconds: float) -> None:
        route = route_of(scope)
        self._metrics.answered(scope["method"], route, answer.status, None if answer.is_stream else seconds)
        is_probe = route in _PROBES and answer.status < 400
        fields = {
            "method": scope["method"],
            "route": route,
            "status": answer.status,
            "duration_ms": round(1000 * seconds, 1),
            **_named(scope),
        }
        _log.log(logging.DEBUG if is_probe else logging.INFO, "request", extra=fields)


class _Answer:
    """Watches an answer on its way out."""

    def __init__(self, send: Send, request_id: str, metrics: Metrics) -> None:
        self._send, self._request_id, self._metrics = send, request_id, metrics
        self._open = ExitStack()
        self.status = 500  # of an application that raises before it answers
        self.is_stream = False

    async def send(self, message: Message) -> None:
        """Send a message on; the first of an answer gets the request's id."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers[HEADER] = self._request_id
            self.is_stream = headers.get("content-type", "").encode().startswith(_STREAM)
            if self.is_stream:
                self._open.enter_context(self._metrics.stream())
        await self._send(message)

    def close(self) -> None:
        """The answer is over, or nobody waits for it any more."""
        self._open.close()


def request_id_of(given: str | None) -> str:
    """The id that a proxy gave a request if it is a plain word, else a new one."""
    return given if given is not None and _SAFE_ID.fullmatch(given) else secrets.token_hex(8)


def route_of(scope: MutableMapping[str, Any]) -> str:
    """Template of the path that a route answered, such as `/api/v1/studies/{study}`.

    A route knows its own template only, without the prefix that its router is included under: that is
    what stands before it in the path.
    """
    template = getattr(scope.get("route"), "path_format", None)
    if not isinstance(template, str) or not template:
        mounted: str = scope.get("root_path", "")
        return f"{mounted}/*" if mounted and scope.get("endpoint") is not None else UNMATCHED
    filled = template
    for name, value in scope.get("path_params", {}).items():
        filled = filled.replace(f"{{{name}}}", str(value), 1)
    path: str = scope["path"]
    return path.removesuffix(filled) + template if path.endswith(filled) else template


def _named(scope: Scope) -> dict[str, str]:
    """Who asked about what, as far as the answer got to know."""
    identity = scope.get("state", {}).get("identity")
    found = {} if identity is None else {"account": str(identity.account)}
    for parameter, value in scope.get("path_params", {}).items():
        if parameter in _FIELDS:
            found[_FIELDS[parameter]] = str(value)[:64]
    return found
