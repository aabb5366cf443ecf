"""Which dimensions of the space decide each objective, computed now and then while a study grows."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

from nas.report.thinning import thinned
from nas.study.report.importances import LEAST_TRIALS, dimension_importances, points_of_space

if TYPE_CHECKING:
    from nas.service.views.view import StudyView

#: Trials that shares are computed from: a request must not wait for a forest of more.
MOST_TRIALS: Final = 500
#: A study that grew by less keeps the shares that it has.
_GROWTH: Final = 1.1

#: By objective, the shares of the dimensions with more than one choice, the largest first; empty with fewer
#: than `LEAST_TRIALS`, and empty for an objective whose values are all equal.
Shares: TypeAlias = Mapping[str, Mapping[str, float]]


class Importances:
    """Computes shares one at a time, and again once a study has a tenth more evaluated trials."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: Shares | None = None
        self._computed_at = 0

    def of(self, view: StudyView) -> Shares:
        """Shares as of now, or of a moment ago."""
        with self._lock:
            num_done = len(view.done())
            if self._known is None or num_done > _GROWTH * self._computed_at:
                self._known, self._computed_at = _shares(view), num_done
            return self._known


def _shares(view: StudyView) -> Shares:
    numbers = view.done()
    seen = thinned(numbers.tolist(), MOST_TRIALS)
    records = points_of_space(view.spec, view.records(seen))
    if len(records) < LEAST_TRIALS:
        return {}
    found = dimension_importances(view.spec, records, view.values(numbers))
    names = [str(objective) for objective in view.objectives]
    return dict(zip(names, found, strict=True))
