"""`/compare`: two to eight sub-networks of a study side by side."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse

from nas.service.context import Reader, ServiceOf
from nas.service.problems import ProblemError, not_found
from nas.service.views.comparison import compare
from nas.service.web.comparison import differences, metric_names
from nas.service.web.environment import render_page, segment
from nas.service.web.page_route import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_MOST: Final = 8


@router.get("/compare", response_class=HTMLResponse)
def show_comparison(
    service: ServiceOf,
    identity: Reader,
    study: str = "",
    trial: Annotated[list[int] | None, Query()] = None,
) -> Response:
    """Architectures and metrics, beside the full model and the uniform baselines nearest in cost."""
    numbers = list(dict.fromkeys(trial or ()))
    if not study or not numbers or len(numbers) > _MOST:
        detail = f"got {len(numbers)} trials; tick 1 to {_MOST} in the table of a study, then choose Compare"
        raise ProblemError(422, "nothing-to-compare", detail)
    view = service.views.view(service.study(identity, study))
    if not all(view.has(number) for number in numbers):
        raise not_found()
    compared = compare(view, numbers)
    beside = {one.number: one for one in (compared.full, *compared.uniform) if one is not None}
    shown = [*compared.trials, *(one for number, one in beside.items() if number not in numbers)]
    names = metric_names(shown, [objective.metric for objective in view.objectives])
    return render_page(
        "compare.html",
        identity,
        study=study,
        base=f"/studies/{segment(study)}",
        trials=shown,
        num_chosen=len(numbers),
        differences=differences(shown, names),
    )
