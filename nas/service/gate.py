"""The gate that every request passes: nobody without a token gets further than the public addresses."""

from __future__ import annotations

import logging
from http.cookies import CookieError, SimpleCookie
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

import storage
from nas.service.authentication import Authenticator, Identity, bearer_of
from nas.service.problems import ProblemError, problem_of

logger = logging.getLogger(__name__)

COOKIE: Final = "nas_session"
API: Final = "/api/"
ASSETS: Final = "/assets/"
_PUBLIC: Final = (("GET", "/healthz"), ("HEAD", "/healthz"), ("POST", "/login"))
_SAFE: Final = ("GET", "HEAD")


def unauthenticated() -> ProblemError:
    """The one answer to whoever has no right token."""
    return ProblemError(
        401, "unauthenticated", "send Authorization: Bearer TOKEN", headers={"WWW-Authenticate": "Bearer"}
    )


class GateMiddleware:
    """Finds out who asks, and puts the `Identity` into the scope's state.

    Args:
        app: what those with a token go on to.
        login_page: HTML for people without one.
    """

    def __init__(self, app: ASGIApp, *, login_page: str) -> None:
        self._app, self._login_page = app, login_page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass to the application, or refuse it."""
        if scope["type"] == "lifespan" or (scope["type"] == "http" and is_public(scope)):
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # there is no web socket here
        try:
            identity = await self._identity(scope)
        except (ProblemError, storage.StorageFault) as error:
            await self._refusal(scope, error)(scope, receive, send)
            return
        scope.setdefault("state", {})["identity"] = identity
        await self._app(scope, receive, send)

    async def _identity(self, scope: Scope) -> Identity:
        authenticator: Authenticator = scope["app"].state.service.authenticator
        headers = Headers(scope=scope)
        bearers = headers.getlist("authorization")
        text = bearer_of([value.encode("latin-1") for value in bearers]) if bearers else session_of(headers)
        if text is None:
            raise unauthenticated()
        if not bearers:
            check_origin(scope, headers)
        identity = authenticator.remembered(text)
        return identity if identity is not None else await identified(authenticator, text, scope)

    def _refusal(self, scope: Scope, error: Exception) -> Response:
        problem = problem_of(error)
        assert problem is not None
        wants_page = "text/html" in Headers(scope=scope).get("accept", "")
        if problem.status == 401 and wants_page and not scope["path"].startswith(API):
            return HTMLResponse(self._login_page, 401, headers={"WWW-Authenticate": "Bearer"})
        return problem.response()


async def identified(authenticator: Authenticator, text: str, scope: Scope) -> Identity:
    """Who a token belongs to; wrong ones are counted by address.

    Raises:
        ProblemError: 401, or 429 for an address that tried too often.
        StorageFault: the database cannot be read.
    """
    address = (scope.get("client") or ("",))[0]
    if authenticator.failures.must_wait(address):
        raise ProblemError(
            429, "too-many-requests", "too many wrong tokens; wait a minute", headers={"Retry-After": "60"}
        )
    identity = await run_in_threadpool(authenticator.identify, text)
    if identity is None:
        authenticator.failures.note(address)
        logger.warning("wrong token from %s", address)
        raise unauthenticated()
    return identity


def is_public(scope: Scope) -> bool:
    """Whether an address is for everybody: it tells nothing of anybody's work."""
    if scope["method"] in _SAFE and scope["path"].startswith(ASSETS):
        return True
    return (scope["method"], scope["path"]) in _PUBLIC


def session_of(headers: Headers) -> str | None:
    """The session's token in the cookie."""
    try:
        cookies = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return None
    found = cookies.get(COOKIE)
    return None if found is None else found.value


def check_origin(scope: Scope, headers: Headers) -> None:
    """Refuse what a foreign page made a browser send with its cookie.

    Raises:
        ProblemError: 403.
    """
    if scope["method"] in _SAFE:
        return
    origin = headers.get("origin", "")
    if origin.partition("://")[2].lower() != headers.get("host", "").lower() or not origin:
        raise ProblemError(403, "foreign-origin", "this request does not come from a page of this service")


def identity_of(request: Request) -> Identity:
    """Who asks, as the gate found out.

    Raises:
        ProblemError: 401, should a request ever get past the gate.
    """
    identity = getattr(request.state, "identity", None)
    if not isinstance(identity, Identity):
        raise unauthenticated()
    return identity
