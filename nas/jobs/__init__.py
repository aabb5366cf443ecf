"""Whole jobs from a config: prepare a supernet, search here or in the background, and the quickstart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas._lazy import lazy

if TYPE_CHECKING:
    from nas.jobs.job_status import find_job
    from nas.jobs.launching import launch_search, resume_job
    from nas.jobs.quickstart import QuickstartOptions, QuickstartResult, run_quickstart
    from nas.jobs.recovery import recover_study
    from nas.jobs.search import profile_search, run_search
    from nas.jobs.studies import StudySummary, list_studies, open_study

_MODULES = {
    "nas.jobs.job_status": ("find_job",),
    "nas.jobs.launching": ("launch_search", "resume_job"),
    "nas.jobs.quickstart": ("QuickstartOptions", "QuickstartResult", "run_quickstart"),
    "nas.jobs.recovery": ("recover_study",),
    "nas.jobs.search": ("profile_search", "run_search"),
    "nas.jobs.studies": ("StudySummary", "list_studies", "open_study"),
}

__all__ = [
    "QuickstartOptions",
    "QuickstartResult",
    "StudySummary",
    "find_job",
    "launch_search",
    "list_studies",
    "open_study",
    "profile_search",
    "recover_study",
    "resume_job",
    "run_quickstart",
    "run_search",
]

if not TYPE_CHECKING:
    __getattr__ = lazy(__name__, _MODULES)
