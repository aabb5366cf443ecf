"""Where a search stands, kept up to date trial by trial."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from nas.objectives import Objective
from nas.progress import standing_text
from nas.study.course import Course
from nas.study.history import bounds_of, minimised, uncertain_objective
from nas.study.trial import Trial
from storage import TrialState


class Standing:
    """Numbers of trials, size of the front and hypervolume of the trials noted so far.

    A trial is noted when its state has changed; noting it again changes nothing. Only trials that were
    evaluated to the end and hold every budget can be on the front. What a note costs depends on the size
    of the front, not on that of the study.

    Args:
        objectives: of the study.
        baseline: metrics of the full model; without them there is no hypervolume.
        trials: noted at once.
    """

    def __init__(
        self, objectives: Sequence[Objective], baseline: Mapping[str, float], trials: Iterable[Trial] = ()
    ) -> None:
        self._objectives = objectives
        self._uncertain = uncertain_objective(objectives)
        self._course = Course(objectives, baseline)
        self._states: dict[int, TrialState] = {}
        self._counts: Counter[TrialState] = Counter()
        for trial in trials:
            self.note(trial)

    def note(self, trial: Trial) -> None:
        """Take a trial in as it is now."""
        before = self._states.get(trial.number)
        if before is trial.state:
            return
        self._states[trial.number] = trial.state
        self._counts[trial.state] += 1
        if before is not None:
            self._counts[before] -= 1
        if trial.state is TrialState.DONE and trial.is_feasible:
            values = minimised(trial.values or (), self._objectives)
            self._course.add(trial.number, values, bounds_of(trial, self._objectives, self._uncertain))

    def count(self, state: TrialState) -> int:
        """Trials in a state."""
        return self._counts[state]

    @property
    def front(self) -> tuple[int, ...]:
        """Numbers of the trials on the front, in the order in which they were noted."""
        return self._course.front

    @property
    def hypervolume(self) -> float | None:
        """As `normalised_hypervolume`; None without the full model's metrics."""
        return self._course.hypervolume

    @property
    def num_evaluated(self) -> int:
        """Trials whose evaluation ended: to the end, with a failure, or early."""
        return sum(self._counts[state] for state in (TrialState.DONE, TrialState.FAILED, TrialState.PAUSED))

    def __str__(self) -> str:
        return standing_text(
            front=len(self.front),
            hypervolume=self.hypervolume,
            paused=self.count(TrialState.PAUSED),
            failed=self.count(TrialState.FAILED),
        )
