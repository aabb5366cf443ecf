"""Telling how a search goes on while it runs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from nas.progress import Progress
from nas.study.standing import Standing
from nas.study.trial import Trial
from storage import TrialState

if TYPE_CHECKING:
    from nas.study.study import Study

Callback = Callable[["Study", Trial], None]
#: The progress bar is fed this often; what happened in between is read at once.
SECONDS_BETWEEN_LOOKS: Final = 1.0


class Reporter:
    """Feeds a progress bar now and then, and calls callbacks for each trial.

    The study is read once, at the first look, and once more when the full model becomes known, which
    budgets and the hypervolume refer to. After that only the trials reported since the last look are read.
    """

    def __init__(
        self,
        study: Study,
        total: Callable[[], int],
        *,
        progress: Progress | None,
        callbacks: Sequence[Callback],
    ) -> None:
        self._study, self._total = study, total
        self._progress, self._callbacks = progress, callbacks
        self._standing: Standing | None = None
        self._reported: dict[int, None] = {}
        self._last_look = -math.inf

    def __call__(self, number: int) -> None:
        """Report a trial that ended, or was paused: that is counted, but no callback hears of it."""
        if self._progress is not None:
            self._reported[number] = None
            now = time.monotonic()
            if now - self._last_look >= SECONDS_BETWEEN_LOOKS:
                self._last_look = now
                self._show(self._progress)
        if self._callbacks:
            trial = self._study.trial(number)
            if trial.state is not TrialState.PAUSED:
                for callback in self._callbacks:
                    callback(self._study, trial)

    def _show(self, progress: Progress) -> None:
        standing = self._updated()
        progress(standing.num_evaluated, self._total(), str(standing))

    def _updated(self) -> Standing:
        study = self._study
        trials = [] if self._standing is None else study.trials_numbered(self._reported)
        self._reported.clear()
        if self._standing is None or any(trial.origin == "baseline:full" for trial in trials):
            self._standing = Standing(study.objectives, study.baseline, study.each_trial())
        for trial in trials:
            self._standing.note(trial)
        return self._standing
