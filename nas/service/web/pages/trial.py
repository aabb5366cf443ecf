"""`/studies/{study}/trials/{number}`: one sub-network."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse

from nas.service.authentication import Identity
from nas.service.context import Reader, Service, ServiceOf
from nas.service.problems import not_found
from nas.service.views import StudyView
from nas.service.views.comparison import compare
from nas.service.web.commands import export_commands
from nas.service.web.comparison import differences, metric_names
from nas.service.web.environment import metric_title, render, render_page, segment
from nas.service.web.latencies import latency_facts
from nas.service.web.layers import layer_costs
from nas.service.web.page_route import PageRoute
from nas.study import Trial

router = APIRouter(route_class=PageRoute, include_in_schema=False)

Number = Annotated[int, Path(ge=0, le=2**31 - 1)]


@router.get("/studies/{study}/trials/{number}", response_class=HTMLResponse)
def show_trial(
    study: str, number: Number, request: Request, service: ServiceOf, identity: Reader
) -> Response:
    """Its architecture, costs, latency and what it is better or worse in than the baselines."""
    view, trial = _trial(service, identity, study, number)
    compared = compare(view, [number])
    equal = f"uniform, nearest in {metric_title(compared.cost).lower()}"
    others = [("full model", compared.full), (equal, compared.uniform[0])]
    beside = [(title, one) for title, one in others if one is not None and one.number != number]
    shown = [trial, *(one for _, one in beside)]
    names = metric_names(shown, [objective.metric for objective in view.objectives])
    return render_page(
        "trial.html",
        identity,
        study=study,
        base=f"/studies/{segment(study)}",
        trial=trial,
        beside=beside,
        differences=differences(shown, names, reference="other"),
        layers=layer_costs(view.spec.shape, trial.config, view.spec.workload),
        commands=export_commands(study, number, str(request.base_url).rstrip("/")),
        can_export=identity.may("export"),
    )


@router.get("/studies/{study}/trials/{number}/latency", response_class=HTMLResponse)
def show_latency(study: str, number: Number, service: ServiceOf, identity: Reader) -> Response:
    """Its latency by device; apart, as predicting takes a moment."""
    _, trial = _trial(service, identity, study, number)
    return render("_latency.html", facts=latency_facts(service.ledger, trial), trial=trial)


def _trial(service: Service, identity: Identity, study: str, number: int) -> tuple[StudyView, Trial]:
    view = service.views.view(service.study(identity, study))
    if not view.has(number):
        raise not_found()
    return view, view.trial(number)
