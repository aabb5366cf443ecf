"""All addresses of the page."""

from __future__ import annotations

from fastapi import APIRouter

from nas.service.web import assets
from nas.service.web.pages import compare, exports, jobs, studies, study, targets, trial

router = APIRouter(include_in_schema=False)

for _module in (studies, study, trial, compare, jobs, exports, targets):
    router.include_router(_module.router)
router.include_router(assets.router)
