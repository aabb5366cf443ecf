"""Studies as the service shows them: columns in memory that are brought up to date by what is new."""

from __future__ import annotations

from nas.service.views.marks import Mark
from nas.service.views.pages import Choice, TrialPage
from nas.service.views.studies import StudyViews
from nas.service.views.summary import Summary
from nas.service.views.view import StudyView

__all__ = ["Choice", "Mark", "StudyView", "StudyViews", "Summary", "TrialPage"]
