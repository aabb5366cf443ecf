"""`/studies/{study}/trials`: the sub-networks of a study, in pages, as CSV, as pictures, and its front."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import StreamingResponse

from nas.errors import ConfigError
from nas.service.context import Reader, ServiceOf
from nas.service.json_answer import JsonAnswer
from nas.service.paging import Limit, Token, checked_limit, position_of, token_of
from nas.service.problems import not_found, problems
from nas.service.routes.studies import StudyName, Where
from nas.service.schemas.trials import FIELDS, Front, State, Trial, TrialPage, trial_document
from nas.service.trial_csv import csv_lines
from nas.service.views import StudyView
from storage import TrialState

router = APIRouter(tags=["trials"])

TrialNumber = Annotated[int, Path(ge=0, le=2**31 - 1, description="number of the trial")]
Sort = Annotated[
    str | None,
    Query(max_length=200, description="METRIC or `number`, ascending; with a `-` before it descending"),
]
States = Annotated[list[State], Query(max_length=16, description="of any of them; repeatable")]
Fields = Annotated[
    list[str], Query(max_length=32, description="members of a trial, all unless given; repeatable")
]
_SVG = "image/svg+xml"
_CSV = "text/csv"


@router.get(
    "/studies/{study}/trials",
    operation_id="list_trials",
    summary="Trials, by number or as told",
    response_model=TrialPage,
    response_model_exclude_unset=True,
    responses=problems(404, 422, 503),
)
def list_trials(
    study: StudyName,
    service: ServiceOf,
    identity: Reader,
    *,
    limit: Limit = 50,
    page_token: Token = None,
    where: Where = [],  # noqa: B006  # FastAPI copies it
    sort: Sort = None,
    state: States = [],  # noqa: B006
    fields: Fields = [],  # noqa: B006
) -> JsonAnswer:
    """Trials that were measured and hold all budgets; those that lack the metric sorted by come last."""
    view = service.views.view(service.study(identity, study))
    limit, names = checked_limit(limit, service), _checked_fields(fields)
    query = {"study": study, "where": where, "sort": sort, "state": sorted(state)}
    last, states = position_of(page_token, query), [TrialState(one) for one in state]
    if last is None:
        page = view.page(where, sort, states, limit=limit)
    else:
        page = view.page_after(last, where, sort, states, limit)
    return JsonAnswer(
        {
            "trials": [_picked(trial_document(trial), names) for trial in page.trials],
            "total": page.total,
            "next_page_token": token_of(page.last, query),
        }
    )


@router.get(
    "/studies/{study}/trials.csv",
    operation_id="download_trials",
    summary="All trials as CSV",
    response_class=StreamingResponse,
    responses={200: {"content": {_CSV: {}}}, **problems(404, 422, 503)},
)
def download_trials(
    study: StudyName,
    service: ServiceOf,
    identity: Reader,
    *,
    where: Where = [],  # noqa: B006
    sort: Sort = None,
    state: States = [],  # noqa: B006
) -> StreamingResponse:
    """Numbers, sizes and metrics of the trials that a list would show on all its pages."""
    view = service.views.view(service.study(identity, study))
    rows = view.rows(where, sort, [TrialState(one) for one in state])
    headers = {"Content-Disposition": 'attachment; filename="trials.csv"'}
    return StreamingResponse(csv_lines(view, rows), media_type=_CSV, headers=headers)


@router.get(
    "/studies/{study}/trials/{number}",
    operation_id="get_trial",
    summary="One trial",
    response_model=Trial,
    responses=problems(404, 422, 503),
)
def get_trial(study: StudyName, number: TrialNumber, service: ServiceOf, identity: Reader) -> JsonAnswer:
    """Everything that is known of a sub-network."""
    view = service.views.view(service.study(identity, study))
    _require(view, number)
    return JsonAnswer(trial_document(view.trial(number)))


@router.get(
    "/studies/{study}/trials/{number}/skyline",
    operation_id="get_skyline",
    summary="A picture of a sub-network",
    response_class=Response,
    responses={200: {"content": {_SVG: {}}}, **problems(404, 422, 503)},
)
def get_skyline(study: StudyName, number: TrialNumber, service: ServiceOf, identity: Reader) -> Response:
    """Heads up, FFN width down, over the full model's outline."""
    view = service.views.view(service.study(identity, study))
    _require(view, number)
    return Response(view.trial(number).skyline(title=f"Trial {number}"), media_type=_SVG)


@router.get(
    "/studies/{study}/front",
    operation_id="get_front",
    summary="The Pareto front",
    response_model=Front,
    responses=problems(404, 422, 503),
)
def get_front(
    study: StudyName,
    service: ServiceOf,
    identity: Reader,
    where: Where = [],  # noqa: B006
) -> JsonAnswer:
    """Its members that hold all budgets, the best in the first objective first."""
    view = service.views.view(service.study(identity, study))
    return JsonAnswer({"trials": [trial_document(trial) for trial in view.front(where)]})


def _require(view: StudyView, number: int) -> None:
    if not view.has(number):
        raise not_found()


def _checked_fields(fields: list[str]) -> list[str]:
    for name in fields:
        if name not in FIELDS:
            raise ConfigError(f"fields: got {name[:80]!r}; allowed are {', '.join(FIELDS)}")
    return fields


def _picked(document: dict[str, Any], names: list[str]) -> dict[str, Any]:
    return {name: document[name] for name in names} if names else document
