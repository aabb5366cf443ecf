"""`/studies`: what was searched, and the figures that pictures are made of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from nas.service.context import Reader, ServiceOf
from nas.service.json_answer import JsonAnswer
from nas.service.paging import Limit, Token, checked_limit, position_of, token_of
from nas.service.problems import problems
from nas.service.schemas.studies import (
    Baselines,
    Hypervolume,
    Importances,
    Points,
    StudyPage,
    StudySummary,
)
from nas.service.schemas.trials import Budget, trial_document
from nas.service.study_answers import study_answer
from nas.service.views.live import Gain
from nas.service.views.pages import Position
from storage import ALL

router = APIRouter(tags=["studies"])

StudyName = Annotated[str, Path(min_length=1, max_length=200, description="name of the study")]
Where = Annotated[
    list[Budget],
    Query(max_length=16, description="a budget, `METRIC (<=|>=) NUMBER [UNIT] [* baseline]`; repeatable"),
]
_MOST_MARKS = 10_000


@router.get(
    "/studies",
    operation_id="list_studies",
    summary="Studies, the newest first",
    response_model=StudyPage,
    responses=problems(422, 503),
)
def list_studies(
    service: ServiceOf, identity: Reader, limit: Limit = 50, page_token: Token = None
) -> JsonAnswer:
    """Studies of the asker's account; all of them for an administrator."""
    limit = checked_limit(limit, service)
    query = {"studies of": None if identity.is_admin else identity.account}
    last = position_of(page_token, query)
    found = service.ledger.study_statuses(ALL if identity.is_admin else identity.account)[::-1]
    older = [status for status in found if last is None or status.id < last.number]
    page = older[:limit]
    return JsonAnswer(
        {
            "studies": [study_answer(service, status) for status in page],
            "next_page_token": token_of(Position(number=page[-1].id) if len(older) > limit else None, query),
        }
    )


@router.get(
    "/studies/{study}",
    operation_id="get_study",
    summary="One study",
    response_model=StudySummary,
    responses=problems(404, 503),
)
def get_study(study: StudyName, service: ServiceOf, identity: Reader) -> JsonAnswer:
    """What it is, and what came of it so far."""
    return JsonAnswer(study_answer(service, service.study(identity, study)))


@router.get(
    "/studies/{study}/hypervolume",
    operation_id="get_hypervolume",
    summary="Hypervolume over the search",
    response_model=Hypervolume,
    responses=problems(404, 422, 503),
)
def get_hypervolume(
    study: StudyName,
    service: ServiceOf,
    identity: Reader,
    limit: Annotated[int, Query(ge=2, le=_MOST_MARKS, description="points, at most")] = 1000,
) -> JsonAnswer:
    """Trials that enlarged it, evenly thinned, the first and the last among them."""
    view = service.views.view(service.study(identity, study))
    return JsonAnswer(
        {
            "value": view.hypervolume,
            "told": view.num_told,
            "reference_point": view.reference_point,
            "points": [_step(gain) for gain in view.hypervolume_curve(limit)],
        }
    )


@router.get(
    "/studies/{study}/baselines",
    operation_id="list_baselines",
    summary="Sub-networks that needed no search",
    response_model=Baselines,
    responses=problems(404, 503),
)
def list_baselines(study: StudyName, service: ServiceOf, identity: Reader) -> JsonAnswer:
    """Evaluated baselines, and what the search gained over each."""
    gains = service.views.view(service.study(identity, study)).gains()
    return JsonAnswer(
        {
            "trials": [trial_document(gain.baseline) for gain in gains],
            "gains": [
                {
                    "number": gain.baseline.number,
                    "found": None if gain.found is None else gain.found.number,
                    "gain": gain.value,
                }
                for gain in gains
            ],
        }
    )


@router.get(
    "/studies/{study}/points",
    operation_id="list_points",
    summary="What a plot of the study shows",
    response_model=Points,
    responses=problems(404, 422, 503),
)
def list_points(
    study: StudyName,
    service: ServiceOf,
    identity: Reader,
    limit: Annotated[int, Query(ge=1, le=_MOST_MARKS, description="points beyond the front, about")] = 2000,
    where: Where = [],  # noqa: B006  # FastAPI copies it
) -> JsonAnswer:
    """The front and all baselines, the best within the budgets, and as many of the others as fit."""
    view = service.views.view(service.study(identity, study))
    return JsonAnswer(
        {
            "objectives": [str(objective) for objective in view.objectives],
            "points": [
                {
                    "number": mark.number,
                    "values": mark.values,
                    "kind": mark.kind,
                    "label": mark.label,
                    "architecture": mark.architecture,
                }
                for mark in view.points(limit, where)
            ],
        }
    )


@router.get(
    "/studies/{study}/importances",
    operation_id="get_importances",
    summary="Which dimensions decide the objectives",
    response_model=Importances,
    responses=problems(404, 503),
)
def get_importances(study: StudyName, service: ServiceOf, identity: Reader) -> JsonAnswer:
    """Shares by PED-ANOVA over at most 1,000 trials, renewed when the study has grown by a tenth."""
    return JsonAnswer({"shares": service.views.view(service.study(identity, study)).importances()})


def _step(gain: Gain) -> dict[str, Any]:
    at = datetime.fromtimestamp(gain.at, UTC)
    return {"number": gain.number, "told": gain.told, "at": at, "value": gain.value}
