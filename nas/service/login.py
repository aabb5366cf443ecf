"""Sessions of the web page: a token in, a cookie out."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from nas.service.authentication import SESSION_S
from nas.service.context import Reader, ServiceOf
from nas.service.gate import COOKIE, check_origin, identified
from nas.service.problems import problems

router = APIRouter(tags=["session"])


class Login(BaseModel):
    """What a session starts with."""

    token: str = Field(max_length=200, description="a token of `nas token create`")


@router.post(
    "/login",
    operation_id="start_session",
    summary="Exchange a token for a session cookie",
    status_code=204,
    responses=problems(415, 422, 429),
)
async def start_session(login: Login, request: Request, service: ServiceOf) -> Response:
    """The cookie is for pages of this service only, and no script can read it."""
    if "origin" in request.headers:
        check_origin(request.scope, request.headers)
    identity = await identified(service.authenticator, login.token, request.scope)
    session = await run_in_threadpool(service.authenticator.start_session, identity)
    response = Response(status_code=204)
    response.set_cookie(
        COOKIE,
        session,
        max_age=int(SESSION_S),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response


@router.post(
    "/logout",
    operation_id="end_session",
    summary="End a session",
    status_code=204,
    responses=problems(415),
)
def end_session(identity: Reader, service: ServiceOf) -> Response:
    """The session's token is revoked, and the cookie with it."""
    service.authenticator.end_session(identity)
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response
