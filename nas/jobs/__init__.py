"""Whole jobs from a config: prepare a supernet, search, open what was found, and the quickstart."""

from nas.jobs.quickstart import QuickstartOptions, QuickstartResult, run_quickstart
from nas.jobs.search import profile_search, run_search
from nas.jobs.studies import StudySummary, list_studies, open_study

__all__ = [
    "QuickstartOptions",
    "QuickstartResult",
    "StudySummary",
    "list_studies",
    "open_study",
    "profile_search",
    "run_quickstart",
    "run_search",
]
