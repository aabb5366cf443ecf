"""Choosing a sub-network under budgets, and sub-networks side by side."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from nas.errors import ConfigError
from nas.service.context import Reader, ServiceOf
from nas.service.json_answer import JsonAnswer
from nas.service.problems import ProblemError, not_found, problems
from nas.service.routes.studies import StudyName
from nas.service.schemas.trials import Comparison, SelectionRequest, Trial, trial_document

router = APIRouter(tags=["selection"])

_MOST_COMPARED = 8


@router.post(
    "/studies/{study}/select",
    operation_id="select_trial",
    summary="The best sub-network under budgets",
    response_model=Trial,
    responses=problems(404, 409, 422, 503),
)
def select_trial(
    study: StudyName, body: SelectionRequest, service: ServiceOf, identity: Reader
) -> JsonAnswer:
    """The best in the first objective that meets the study's budgets and those given.

    Where none does, the problem names the `binding` budget and has the `nearest` trial.
    """
    view = service.views.view(service.study(identity, study))
    choice = view.choose(body.where, recovered=body.recovered)
    if choice.error is not None:
        raise ProblemError(
            409,
            "infeasible",
            str(choice.error),
            binding=choice.error.binding,
            nearest=None if choice.nearest is None else trial_document(choice.nearest),
            reached=choice.error.nearest,
        )
    assert choice.best is not None
    return JsonAnswer(trial_document(choice.best))


@router.get(
    "/studies/{study}/compare",
    operation_id="compare_trials",
    summary="Sub-networks side by side",
    response_model=Comparison,
    responses=problems(404, 422, 503),
)
def compare_trials(
    study: StudyName,
    service: ServiceOf,
    identity: Reader,
    trial: Annotated[
        list[int], Query(max_length=64, description=f"numbers of 2 to {_MOST_COMPARED} trials; repeatable")
    ],
) -> JsonAnswer:
    """Trials with the full model, and each with the uniform sub-network that costs about as much."""
    numbers = list(dict.fromkeys(trial))
    if not 2 <= len(numbers) <= _MOST_COMPARED:
        raise ConfigError(f"trial: got {len(numbers)} different ones; give 2 to {_MOST_COMPARED}")
    view = service.views.view(service.study(identity, study))
    if not all(view.has(number) for number in numbers):
        raise not_found()
    found = view.compare(numbers)
    return JsonAnswer(
        {
            "trials": [trial_document(one) for one in found.trials],
            "cost": found.cost,
            "full": None if found.full is None else trial_document(found.full),
            "uniform": [None if one is None else trial_document(one) for one in found.uniform],
            "dimensions": found.dimensions,
        }
    )
