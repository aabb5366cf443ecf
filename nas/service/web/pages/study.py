"""`/studies/{study}`: one study with its plot, budgets and trials."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from nas.service.authentication import Identity
from nas.service.context import Reader, Service, ServiceOf
from nas.service.web.environment import render, render_page
from nas.service.web.page_memory import PageMemory
from nas.service.web.page_route import PageRoute
from nas.service.web.standing import standing_of
from nas.service.web.study_page import StudyPage, context, importance_bars
from nas.service.web.study_query import study_query

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/studies/{study}", response_class=HTMLResponse)
def show_study(study: str, request: Request, service: ServiceOf, identity: Reader) -> Response:
    """The whole page."""
    page = _page(study, request, service, identity)
    memory: PageMemory = request.app.state.page_memory
    shown = (study, page.seen, page.job_id, identity.account, identity.scopes, page.base)
    body = memory.body(
        (*shown, str(request.base_url)),
        lambda: bytes(render_page("study.html", identity, **context(page)).body),
    )
    return HTMLResponse(body)


@router.get("/studies/{study}/view", response_class=HTMLResponse)
def show_view(study: str, request: Request, service: ServiceOf, identity: Reader, seen: str = "") -> Response:
    """What changes with budgets and results, for the page that is open; nothing where all of it was seen."""
    page = _page(study, request, service, identity)
    address = f"{page.base}?{page.query.address()}".removesuffix("?")
    if page.seen == seen:
        return Response(status_code=204, headers={"HX-Replace-Url": address})
    answer = render("view.html", **context(page, oob=True))
    answer.headers["HX-Replace-Url"] = address
    return answer


@router.get("/studies/{study}/importances", response_class=HTMLResponse)
def show_importances(study: str, service: ServiceOf, identity: Reader) -> Response:
    """What decides each objective; apart, as it is fitted."""
    shares = service.views.view(service.study(identity, study)).importances()
    return render("_importances.html", importances=list(importance_bars(shares)))


def _page(name: str, request: Request, service: Service, identity: Identity) -> StudyPage:
    status = service.study(identity, name)
    view = service.views.view(status)
    return StudyPage(
        view,
        standing_of(service, identity, status),
        study_query(view, request.query_params),
        str(request.base_url).rstrip("/"),
    )
