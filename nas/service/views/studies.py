"""The views of a service: those of the studies that were looked at last."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import replace
from typing import Final

from nas.service.views.summary import Summary
from nas.service.views.view import StudyView
from storage import Ledger, StudyStatus

_SUMMARIES: Final = 1024


class StudyViews:
    """Makes views and keeps them; threads may share it.

    Args:
        ledger: of the studies.
        capacity: views that are kept; a study of 20,000 trials takes some megabytes.
    """

    def __init__(self, ledger: Ledger, capacity: int = 16) -> None:
        self._ledger, self._capacity = ledger, capacity
        self._lock = threading.Lock()
        self._views: OrderedDict[int, StudyView] = OrderedDict()
        self._summaries: OrderedDict[int, tuple[int, Summary]] = OrderedDict()

    def view(self, status: StudyStatus) -> StudyView:
        """A study as it is now.

        Raises:
            StorageError: the database cannot be used.
        """
        with self._lock:
            view = self._views.get(status.id)
        if view is None:
            view = StudyView(self._ledger, status)
        with self._lock:
            view = self._views.setdefault(status.id, view)
            self._views.move_to_end(status.id)
            while len(self._views) > self._capacity:
                self._views.popitem(last=False)
        view.refresh(status)
        return view

    def summary(self, status: StudyStatus) -> Summary:
        """A study in one card; for one that has not changed it takes no query and no view.

        Raises:
            StorageError: the database cannot be used.
        """
        with self._lock:
            known = self._summaries.get(status.id)
        if known is not None and status.last_event <= known[0]:
            return replace(known[1], state=status.state.value, reason=status.reason)
        view = self.view(status)
        found = (view.last_event, view.summary())
        with self._lock:
            self._summaries[status.id] = found
            self._summaries.move_to_end(status.id)
            while len(self._summaries) > _SUMMARIES:
                self._summaries.popitem(last=False)
        return found[1]
