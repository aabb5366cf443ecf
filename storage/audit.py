"""Checks a study's history against the promises of the ledger, from its log and its rows.

In the manner of Jepsen's checkers: the log is written by every transaction, so a lost, doubled or resurrected
trial contradicts it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from .events import EventKind
from .records import AttemptRecord, EventRecord, TrialRecord, TrialState

_Lines = Sequence[EventRecord]
_ENDINGS = (EventKind.TRIAL_COMPLETED, EventKind.TRIAL_FAILED)
#: What a driver may do only while it holds the study.
_DECISIONS = (
    EventKind.TRIALS_PROPOSED,
    EventKind.TRIAL_DISPATCHED,
    EventKind.TRIAL_FAILED,
    EventKind.TRIAL_PAUSED,
    EventKind.TRIALS_REQUEUED,
)


def contradictions(
    trials: Sequence[TrialRecord],
    events: _Lines,
    attempts_of: Callable[[int], Sequence[AttemptRecord]],
) -> list[str]:
    """Sentences that say what is wrong with a study; none when all is well.

    Args:
        trials: all of them, by number.
        events: all lines of the study, oldest first.
        attempts_of: attempts at a trial, first to last.
    """
    return [
        *_epochs(events),
        *_numbers(trials, events),
        *_endings(trials, events),
        *_orders(trials),
        *_results(trials, events),
        *_attempts(trials, attempts_of),
    ]


def _epochs(events: _Lines) -> Iterator[str]:
    """One holder an epoch, epochs in their order, and decisions by the holder only."""
    current = 0
    for line in events:
        if line.kind == EventKind.LEASE_ACQUIRED:
            if line.payload["epoch"] != current + 1:
                yield f"event {line.id}: epoch {line.payload['epoch']} follows epoch {current}"
            current = line.payload["epoch"]
        elif line.kind in _DECISIONS and line.payload["epoch"] != current:
            yield f"event {line.id}: {line.kind} of epoch {line.payload['epoch']} in epoch {current}"


def _numbers(trials: Sequence[TrialRecord], events: _Lines) -> Iterator[str]:
    """Trials bear the numbers 0, 1, 2 ..., each proposed once."""
    proposed = [
        n for line in events if line.kind == EventKind.TRIALS_PROPOSED for n in line.payload["numbers"]
    ]
    yield from (
        f"trial {n} was proposed {times} times" for n, times in Counter(proposed).items() if times > 1
    )
    if sorted(set(proposed)) != [trial.number for trial in trials]:
        yield f"{len(set(proposed))} trials were proposed, {len(trials)} are stored"
    if [trial.number for trial in trials] != list(range(len(trials))):
        yield "the numbers of the trials have gaps"
    keys = Counter(trial.key for trial in trials if trial.state is not TrialState.DUPLICATE)
    yield from (f"sub-network {key} is {times} trials" for key, times in keys.items() if times > 1)


def _endings(trials: Sequence[TrialRecord], events: _Lines) -> Iterator[str]:
    """Every evaluated trial ended once, nothing happened to it afterwards, and no other ended."""
    ended: dict[int, str] = {}
    for line in events:
        numbers = line.payload.get("numbers") or [line.payload.get("number")]
        for number in (n for n in numbers if n in ended):
            if line.kind in _DECISIONS or line.kind in _ENDINGS:
                yield f"event {line.id}: {line.kind} of trial {number}, which had ended"
        if line.kind in _ENDINGS:
            ended[line.payload["number"]] = line.kind
    kinds = {TrialState.DONE: EventKind.TRIAL_COMPLETED, TrialState.FAILED: EventKind.TRIAL_FAILED}
    for trial in trials:
        if ended.get(trial.number) != kinds.get(trial.state):
            yield f"trial {trial.number} is {trial.state}, the log says {ended.get(trial.number)}"


def _orders(trials: Sequence[TrialRecord]) -> Iterator[str]:
    """Final trials were told as the first, the second ..., each once."""
    orders = sorted(trial.told_order for trial in trials if trial.told_order is not None)
    if orders != list(range(len(orders))):
        yield "the orders of telling have gaps or repetitions"


def _results(trials: Sequence[TrialRecord], events: _Lines) -> Iterator[str]:
    """What was acknowledged is what is stored."""
    told = {
        line.payload["number"]: line.payload["metrics"]
        for line in events
        if line.kind == EventKind.TRIAL_COMPLETED
    }
    for trial in trials:
        if trial.state is TrialState.DONE and told.get(trial.number) != trial.metrics:
            yield f"trial {trial.number} has another result than the one that was recorded"


def _attempts(
    trials: Sequence[TrialRecord], attempts_of: Callable[[int], Sequence[AttemptRecord]]
) -> Iterator[str]:
    """Attempts are counted 1, 2, 3 ..., and only a running trial has one that goes on."""
    for trial in trials:
        if not trial.attempts:
            continue
        attempts = attempts_of(trial.number)
        if [one.attempt for one in attempts] != list(range(1, trial.attempts + 1)):
            yield f"trial {trial.number} counts {trial.attempts} attempts, stored are {len(attempts)}"
        is_open = any(one.ended_at is None for one in attempts)
        if is_open != (trial.state is TrialState.RUNNING):
            yield f"trial {trial.number} is {trial.state}, yet an attempt at it {_goes_on(is_open)}"


def _goes_on(is_open: bool) -> str:
    return "goes on" if is_open else "has ended"
