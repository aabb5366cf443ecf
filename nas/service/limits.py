"""What a request may look like before anybody reads it: host, size, time, type, and JSON that is plain.

The body is read here, whole, so that neither a slow sender nor a bomb reaches a route.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nas.config.documents import MAX_DEPTH, MAX_NODES
from nas.service.problems import ProblemError
from nas.service.settings import Limits

MAX_TARGET: Final = 8192
"""Bytes of path and query."""

_SAFE: Final = ("GET", "HEAD", "OPTIONS")
_BODILESS: Final = ("DELETE",)
_MAX_DIGITS: Final = 400


class LimitsMiddleware:
    """Refuses requests that are too large, too slow, for another host, or not JSON.

    Args:
        app: what the others go on to.
        limits: of sizes and times.
        hosts: names that the service has; empty allows any.
    """

    def __init__(self, app: ASGIApp, *, limits: Limits, hosts: tuple[str, ...] = ()) -> None:
        self._app, self._limits = app, limits
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request, then hand it on with its body read."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._check_target(scope)
            body = await self._body(scope, receive)
            _check_type(scope, body)
        except ProblemError as problem:
            await problem.response()(scope, receive, send)
            return
        await self._app(scope, _replayed(body, receive), send)

    def _check_target(self, scope: Scope) -> None:
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_TARGET:
            raise ProblemError(414, "address-too-long", f"allowed are {MAX_TARGET} bytes of path and query")
        if "\x00" in scope["path"] or b"%00" in scope["query_string"]:
            raise ProblemError(400, "bad-request", "an address holds no NUL")
        host = Headers(scope=scope).get("host", "")
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        if self._hosts and name.lower() not in self._hosts:
            raise ProblemError(421, "misdirected-request", "this service does not have that name")

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        declared = Headers(scope=scope).get("content-length", "0")
        if not declared.isascii() or not declared.isdigit():
            raise ProblemError(400, "bad-request", "Content-Length is no number")
        self._check_size(int(declared[:20]))
        try:
            async with asyncio.timeout(self._limits.body_timeout_s):
                return await self._read(receive)
        except TimeoutError:
            text = f"the body did not arrive within {self._limits.body_timeout_s:g} s"
            raise ProblemError(408, "request-timeout", text, headers={"Connection": "close"}) from None

    async def _read(self, receive: Receive) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return b"".join(parts)
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            self._check_size(size)
            if not message.get("more_body", False):
                return b"".join(parts)

    def _check_size(self, size: int) -> None:
        if size > self._limits.max_body_bytes:
            raise ProblemError(
                413,
                "content-too-large",
                f"a body may have {self._limits.max_body_bytes} bytes",
                headers={"Connection": "close"},
            )


def _check_type(scope: Scope, body: bytes) -> None:
    """JSON only: what a form of a foreign page can send is no JSON."""
    if scope["method"] in _SAFE or (scope["method"] in _BODILESS and not body):
        return
    given = Headers(scope=scope).getlist("content-type")
    kind = given[0].partition(";")[0].strip().lower() if len(given) == 1 else ""
    if kind != "application/json":
        raise ProblemError(415, "unsupported-media-type", "send application/json")
    if body:
        check_json(body)


def check_json(body: bytes) -> None:
    """Refuse JSON with repeated keys, numbers that are not finite, and bombs.

    Raises:
        ProblemError: 422 with what is wrong.
    """
    nodes = 0

    def mapping(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise _bad("a key is given twice; keep one")
        return found

    try:
        value = json.loads(
            body,
            object_pairs_hook=mapping,
            parse_constant=_not_finite,
            parse_float=_float,
            parse_int=_integer,
        )
    except (RecursionError, UnicodeDecodeError, ValueError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else "not valid JSON in UTF-8"
        raise _bad(reason) from None
    level = [value]
    for _ in range(MAX_DEPTH + 2):
        nodes += len(level)
        if nodes > MAX_NODES:
            raise _bad(f"more than {MAX_NODES} values")
        level = [child for node in level for child in _children(node)]
        if not level:
            return
    raise _bad(f"nested deeper than {MAX_DEPTH} levels")


def _children(node: object) -> list[object]:
    if isinstance(node, dict):
        if any(_has_surrogate(key) for key in node):
            raise _bad("half a letter (a lone surrogate)")
        return list(node.values())
    if isinstance(node, str) and _has_surrogate(node):
        raise _bad("half a letter (a lone surrogate)")
    return node if isinstance(node, list) else []


def _has_surrogate(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)


def _bad(reason: str) -> ProblemError:
    return ProblemError(422, "invalid-request", f"body: {reason}")


def _not_finite(text: str) -> NoReturn:
    raise _bad(f"{text} is not a finite number")


def _float(text: str) -> float:
    value = float(text) if len(text) <= _MAX_DIGITS else float("inf")
    if value in (float("inf"), float("-inf")):
        raise _bad("a number is not finite")
    return value


def _integer(text: str) -> int:
    if len(text) > 19:
        raise _bad("a whole number has more than 18 digits")
    return int(text)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """The body that was read, then what the connection says."""
    is_given = False

    async def replay() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
