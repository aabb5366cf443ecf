"""`/exports`: model folders that were asked for, and their downloads."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse

from nas.jobs.kinds import EXPORT
from nas.service.authentication import Identity
from nas.service.context import Reader, Service, ServiceOf
from nas.service.export_requests import export_answer
from nas.service.job_answers import newest, page_of
from nas.service.schemas.jobs import PageToken
from nas.service.web.environment import render, render_page
from nas.service.web.page_route import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False)

PAGE: Final = 20
_LIVE: Final = ("queued", "running", "pausing", "stopping")
Before = Annotated[PageToken | None, Query()]


@router.get("/exports", response_class=HTMLResponse)
def show_exports(service: ServiceOf, identity: Reader, before: Before = None) -> Response:
    """Exports, the newest first."""
    return render_page("exports.html", identity, **_list(service, identity, before))


@router.get("/exports/list", response_class=HTMLResponse)
def show_list(service: ServiceOf, identity: Reader, before: Before = None) -> Response:
    """The list alone."""
    return render("_exports.html", **_list(service, identity, before))


def _list(service: Service, identity: Identity, before: str | None) -> dict[str, Any]:
    records, older = page_of(newest(service, identity, kind=EXPORT, before=before), PAGE)
    exports = [export_answer(service, record) for record in records]
    return {
        "exports": exports,
        "older": older,
        "before": before,
        "is_live": any(one.status in _LIVE for one in exports),
        "announcement": "; ".join(f"export {one.id} {one.status}" for one in exports[:3]),
    }
