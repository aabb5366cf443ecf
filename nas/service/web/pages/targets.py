"""`/targets`: what latency is measured on, and how far the measurements can be trusted."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from nas.errors import ConfigError
from nas.evaluation import Target
from nas.service.authentication import Identity
from nas.service.context import Reader, Service, ServiceOf
from nas.service.web.environment import render, render_page
from nas.service.web.page_route import PageRoute
from nas.targets.registry import TargetView, overview, views_of
from storage import ALL, StudyRecord

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/targets", response_class=HTMLResponse)
def show_targets(identity: Reader) -> Response:
    """The page without its table, which takes a moment: predictors are fitted for it."""
    return render_page("targets.html", identity)


@router.get("/targets/list", response_class=HTMLResponse)
def show_list(service: ServiceOf, identity: Reader) -> Response:
    """Registered targets, and those that studies measured without registering any."""
    registered = overview(service.ledger)
    names = {view.target.name for view in registered}
    views = [*registered, *_unregistered(service, identity, names)]
    return render("_targets.html", views=views, names=names)


def _unregistered(service: Service, identity: Identity, names: set[str]) -> list[TargetView]:
    account = ALL if identity.is_admin else identity.account
    targets = [_target(record) for record in service.ledger.studies(account=account)]
    found = {one.workload_sha256: one for one in targets if one is not None and one.name not in names}
    return [view for target in found.values() for view in views_of(service.ledger, target)]


def _target(record: StudyRecord) -> Target | None:
    """The target of a study; None without one, or one that this version lacks."""
    try:
        return None if record.spec["target"] is None else Target(**record.spec["target"])
    except (TypeError, ConfigError):
        return None
