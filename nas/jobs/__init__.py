"""Whole jobs from a config: prepare a supernet, search, open what was found, and the quickstart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas._lazy import lazy

if TYPE_CHECKING:
    from nas.jobs.quickstart import QuickstartOptions, QuickstartResult, run_quickstart
    from nas.jobs.recovery import recover_study
    from nas.jobs.search import profile_search, run_search
    from nas.jobs.studies import StudySummary, list_studies, open_study

_MODULES = {
    "nas.jobs.quickstart": ("QuickstartOptions", "QuickstartResult", "run_quickstart"),
    "nas.jobs.recovery": ("recover_study",),
    "nas.jobs.search": ("profile_search", "run_search"),
    "nas.jobs.studies": ("StudySummary", "list_studies", "open_study"),
}

__all__ = [
    "QuickstartOptions",
    "QuickstartResult",
    "StudySummary",
    "list_studies",
    "open_study",
    "profile_search",
    "recover_study",
    "run_quickstart",
    "run_search",
]

if not TYPE_CHECKING:
    __getattr__ = lazy(__name__, _MODULES)
