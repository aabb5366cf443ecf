"""Routes of pages: an error is a page too, and a problem where a script asked."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from nas.service.gate import identity_of
from nas.service.problems import ProblemError, problem_of
from nas.service.web.environment import SECTIONS, render


class PageRoute(APIRoute):
    """A route whose errors are shown as a page."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of this class's base with its errors caught."""
        handler = super().get_route_handler()

        async def with_error_page(request: Request) -> Response:
            try:
                return await handler(request)
            except Exception as error:
                problem = _problem(error)
                if problem is None:
                    raise
                return _answer(request, problem)

        return with_error_page


def _problem(error: Exception) -> ProblemError | None:
    if isinstance(error, RequestValidationError):
        named = ", ".join(".".join(map(str, one["loc"][1:])) for one in error.errors()[:5])
        return ProblemError(422, "invalid-address", f"this address is not valid: {named}")
    return problem_of(error)


def _answer(request: Request, problem: ProblemError) -> Response:
    if "hx-request" in request.headers:
        return problem.response()
    title = problem.name.replace("-", " ").capitalize()
    page = render(
        "error.html",
        status=problem.status,
        identity=identity_of(request),
        sections=SECTIONS,
        title=title,
        detail=problem.detail,
        problem_status=problem.status,
    )
    page.headers.update(problem.headers or {})
    return page
