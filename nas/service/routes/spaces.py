"""`/spaces/profile`: what a search may reach, before anything is spent."""

from __future__ import annotations

from fastapi import APIRouter

from nas.service.context import Searcher, ServiceOf
from nas.service.json_answer import JsonAnswer
from nas.service.problems import problems
from nas.service.schemas.spaces import Profile, ProfileRequest
from nas.service.submission import search_config

router = APIRouter(tags=["spaces"])


@router.post(
    "/spaces/profile",
    operation_id="profile_space",
    summary="Costs over a search space",
    response_model=Profile,
    responses=problems(409, 422, 503),
)
def profile_space(body: ProfileRequest, service: ServiceOf, identity: Searcher) -> JsonAnswer:
    """Sizes, costs and whether the budgets can be met; 409 where no sub-network meets them."""
    config = search_config(
        body.config, settings=service.settings, account=identity.account, is_admin=identity.is_admin
    )
    return JsonAnswer(service.profiler.profile(config))
