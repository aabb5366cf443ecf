"""How the sampler and the race hear of trials that ended."""

from __future__ import annotations

from collections.abc import Callable

from nas.evaluation import Outcome
from nas.study.qualities import Qualities
from nas.study.session import Session
from storage import TrialState


class Telling:
    """Tells at once, or in a deterministic study in the order of numbers when that is asked for.

    Args:
        after_trial: called with the number of each trial that ended or was paused.
    """

    def __init__(self, session: Session, qualities: Qualities, after_trial: Callable[[int], None]) -> None:
        self._session, self._qualities, self._after_trial = session, qualities, after_trial
        self._entering: dict[int, Outcome | None] = {}
        self._untold: list[int] = []

    def told(self, number: int, outcome: Outcome | None = None) -> None:
        """Take in a trial whose end the ledger knows, with the examples that the race will want."""
        self._entering[number] = outcome
        if self._session.spec.deterministic:
            self._untold.append(number)
        else:
            self._tell(number)
        self._after_trial(number)

    def in_order(self) -> None:
        """Tell what a deterministic study has kept back."""
        for number in sorted(self._untold):
            self._tell(number)
        self._untold.clear()

    def _tell(self, number: int) -> None:
        record = self._session.tell(number)
        outcome = self._entering.pop(number, None)
        if self._qualities.race is not None and record.state is TrialState.DONE:
            self._qualities.race.enter(number, {**record.costs, **(record.metrics or {})}, outcome)
