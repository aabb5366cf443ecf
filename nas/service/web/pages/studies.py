"""`/`: the studies as cards."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse

from nas.service.authentication import Identity
from nas.service.context import Reader, Service, ServiceOf
from nas.service.views import Summary
from nas.service.web.environment import metric_title, render, render_page
from nas.service.web.page_route import PageRoute
from nas.service.web.plots.curve import sparkline
from nas.service.web.standing import standing_of
from nas.service.web.trial_rows import written
from storage import ALL, StudyStatus

router = APIRouter(route_class=PageRoute, include_in_schema=False)

PAGE: Final = 24
_GAINS: Final = 60
Offset = Annotated[int, Query(ge=0, le=10**9)]


@dataclass(frozen=True, kw_only=True)
class Card:
    """A study in short.

    Attributes:
        best: its sizes and objectives in words; empty where there is none.
        spark: path of the hypervolume's line.
    """

    name: str
    state: str
    is_live: bool
    model: str
    task: str
    target: str
    num_trials: int
    num_evaluated: int
    num_front: int
    hypervolume: float | None
    best: str
    best_number: int | None
    spark: str


@router.get("/", response_class=HTMLResponse)
def show_studies(service: ServiceOf, identity: Reader, offset: Offset = 0) -> Response:
    """The studies that the asker may see, the newest first."""
    return render_page("studies.html", identity, **_context(service, identity, offset))


@router.get("/studies", response_class=HTMLResponse)
def show_studies_too(service: ServiceOf, identity: Reader, offset: Offset = 0) -> Response:
    """The same."""
    return show_studies(service, identity, offset)


@router.get("/cards", response_class=HTMLResponse)
def show_cards(service: ServiceOf, identity: Reader, offset: Offset = 0, seen: str = "") -> Response:
    """The cards alone; nothing where they are what was seen."""
    context = _context(service, identity, offset)
    return Response(status_code=204) if context["seen"] == seen else render("_studies.html", **context)


def _context(service: Service, identity: Identity, offset: int) -> dict[str, Any]:
    account = ALL if identity.is_admin else identity.account
    statuses = service.ledger.study_statuses(account=account)[::-1]
    shown = statuses[offset : offset + PAGE]
    cards = [_card(service, identity, status) for status in shown]
    return {
        "cards": cards,
        "query": urlencode({"offset": offset}),
        "seen": hashlib.sha256(repr(cards).encode()).hexdigest()[:16],
        "newer": max(offset - PAGE, 0) if offset else None,
        "older": offset + PAGE if offset + PAGE < len(statuses) else None,
    }


def _card(service: Service, identity: Identity, status: StudyStatus) -> Card:
    summary = service.views.summary(status)
    gains = service.views.view(status).hypervolume_curve(_GAINS) if summary.hypervolume else []
    ends = [(float(gain.told), gain.value) for gain in gains]
    return Card(
        name=summary.name,
        state=summary.state,
        is_live=standing_of(service, identity, status).is_live,
        model=summary.model,
        task=summary.task,
        target=summary.target or "latency is not measured",
        num_trials=summary.num_trials,
        num_evaluated=summary.num_evaluated,
        num_front=summary.num_front,
        hypervolume=summary.hypervolume,
        best=_best(summary),
        best_number=None if summary.best is None else summary.best.number,
        spark=sparkline(ends, until=float(summary.num_trials)),
    )


def _best(summary: Summary) -> str:
    if summary.best is None:
        return ""
    metrics = [text.partition(" ")[2] for text in summary.objectives]
    return ", ".join(f"{metric_title(name)} {written(summary.best, name)}" for name in metrics)
