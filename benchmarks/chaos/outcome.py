"""What a fault did, and what the ledger says afterwards."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field, replace

from benchmarks.chaos.oracle import noted
from storage import Ledger, TrialState

_EVALUATED = (TrialState.DONE, TrialState.FAILED)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One row of the campaign.

    Attributes:
        injected: faults.
        lost: evaluations that the study should have and does not.
        duplicated: sub-networks or results that are there twice.
        zombies: trials left running without a driver.
        repeated: evaluations that had finished and were run again.
        is_equal: whether the history is that of an undisturbed run; None where none is compared.
        problems: what else is wrong.
        note: what was seen, such as how long recovery took.
    """

    injected: int
    lost: int = 0
    duplicated: int = 0
    zombies: int = 0
    repeated: int = 0
    is_equal: bool | None = None
    problems: tuple[str, ...] = field(default=())
    note: str = ""

    @property
    def is_good(self) -> bool:
        """Whether all faults were survived."""
        return not (self.lost or self.duplicated or self.zombies or self.problems or self.is_equal is False)


def combined(outcomes: list[Outcome]) -> Outcome:
    """Several runs as one row."""
    compared = [one.is_equal for one in outcomes if one.is_equal is not None]
    return replace(
        outcomes[0],
        injected=sum(one.injected for one in outcomes),
        lost=sum(one.lost for one in outcomes),
        duplicated=sum(one.duplicated for one in outcomes),
        zombies=sum(one.zombies for one in outcomes),
        repeated=sum(one.repeated for one in outcomes),
        is_equal=all(compared) if compared else None,
        problems=tuple(problem for one in outcomes for problem in one.problems),
        note="; ".join(dict.fromkeys(one.note for one in outcomes if one.note)),
    )


def examined(
    url: str, name: str, *, total: int, injected: int, log: str | None = None, equal_to: str | None = None
) -> Outcome:
    """What the database says of a study that should have evaluated so many sub-networks.

    Args:
        log: the oracle's file; finished evaluations beyond the total were repeated.
        equal_to: hash of the undisturbed history.
    """
    with Ledger.open(url) as ledger:
        study = ledger.study(name)
        trials = ledger.trials(study.id)
        found = ledger.audit(study.id)
    evaluated = [trial for trial in trials if trial.state in _EVALUATED]
    keys = Counter(trial.key for trial in evaluated)
    finished = 0 if log is None else sum(line.startswith("end ") for line in noted(log))
    return Outcome(
        injected=injected,
        lost=max(0, total - len(evaluated)),
        duplicated=max(0, len(evaluated) - total) + sum(times - 1 for times in keys.values()),
        zombies=sum(trial.state is TrialState.RUNNING for trial in trials),
        repeated=max(0, finished - total),
        is_equal=None if equal_to is None else history_sha256(url, name) == equal_to,
        problems=tuple(found),
    )


def history_sha256(url: str, name: str) -> str:
    """Hash of every trial: what was proposed, by whom, and what came of it."""
    with Ledger.open(url) as ledger:
        trials = ledger.trials(ledger.study(name).id)
    record = [
        [
            trial.number,
            trial.key,
            dict(trial.parameters),
            trial.origin,
            trial.state.value,
            None if trial.metrics is None else dict(trial.metrics),
        ]
        for trial in trials
    ]
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
