"""Telling how a search goes on while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from nas.progress import Progress
from nas.study.history import front_of, normalised_hypervolume
from nas.study.trial import Trial
from storage import TrialState

if TYPE_CHECKING:
    from nas.study.study import Study

Callback = Callable[["Study", Trial], None]
#: Each look for the progress bar reads the whole study.
SECONDS_BETWEEN_LOOKS: Final = 1.0


class Reporter:
    """Feeds a progress bar now and then, and calls callbacks for each trial."""

    def __init__(
        self, study: Study, total: int, *, progress: Progress | None, callbacks: Sequence[Callback]
    ) -> None:
        self._study, self._total = study, total
        self._progress, self._callbacks = progress, callbacks
        self._last_look = 0.0

    def __call__(self, number: int) -> None:
        """Report a trial that ended."""
        now = time.monotonic()
        if self._progress is not None and now - self._last_look >= SECONDS_BETWEEN_LOOKS:
            self._last_look = now
            self._show(self._progress)
        if self._callbacks:
            trial = self._study.trial(number)
            for callback in self._callbacks:
                callback(self._study, trial)

    def _show(self, progress: Progress) -> None:
        study, trials = self._study, self._study.trials
        states = [trial.state for trial in trials]
        done, failed = states.count(TrialState.DONE), states.count(TrialState.FAILED)
        volume = normalised_hypervolume(trials, study.objectives, study.baseline)
        text = f"front {len(front_of(trials, study.objectives))}"
        text += "" if volume is None else f", hypervolume {volume:.4f}"
        progress(done + failed, self._total, f"{text}, {failed} failed" if failed else text)
