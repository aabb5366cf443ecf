"""Where a search stands, kept up to date trial by trial."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from nas.objectives import Objective
from nas.pareto import GrowingHypervolume, TieFront
from nas.study.history import bounds_of, minimised, reference_point, scale_of, uncertain_objective
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
        self._front: TieFront[int] = TieFront(len(objectives), uncertain=self._uncertain)
        reference = reference_point(objectives, baseline)
        self._scale = None if reference is None else scale_of(reference)
        self._volume = None if reference is None else GrowingHypervolume(reference / scale_of(reference))
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
            self._front.add(bounds_of(trial, self._objectives, self._uncertain), trial.number)
            if self._volume is not None:
                self._volume.add(np.array(minimised(trial.values or (), self._objectives)) / self._scale)

    def count(self, state: TrialState) -> int:
        """Trials in a state."""
        return self._counts[state]

    @property
    def front(self) -> tuple[int, ...]:
        """Numbers of the trials on the front, in the order in which they were noted."""
        return self._front.ids

    @property
    def hypervolume(self) -> float | None:
        """As `normalised_hypervolume`; None without the full model's metrics."""
        return None if self._volume is None else self._volume.value

    @property
    def num_evaluated(self) -> int:
        """Trials whose evaluation ended: to the end, with a failure, or early."""
        return sum(self._counts[state] for state in (TrialState.DONE, TrialState.FAILED, TrialState.PAUSED))

    def __str__(self) -> str:
        parts = [f"front {len(self.front)}"]
        if self.hypervolume is not None:
            parts.append(f"hypervolume {self.hypervolume:.4f}")
        for state in (TrialState.PAUSED, TrialState.FAILED):
            if self.count(state):
                parts.append(f"{self.count(state)} {state.value.lower()}")
        return ", ".join(parts)
