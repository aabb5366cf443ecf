"""Commands to a running search: another total, pause, stop; and SIGTERM."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from nas.errors import ConfigError
from nas.study import Study
from nas.study.control import Command, Orders
from nas.study.limits import Limits
from storage import Ledger, StudyState, TrialState
from workers import Completion, SerialPool

MakeStudy = Callable[..., Study]


class Script:
    """A control that says something else from the n-th evaluation on."""

    def __init__(self, counted: Any, commands: dict[int, Command]) -> None:
        self._counted, self._commands = counted, commands

    def __call__(self) -> Command:
        began = [call for call in self._commands if call <= len(self._counted.calls)]
        return self._commands[max(began)] if began else Command()


@pytest.fixture(autouse=True)
def look_always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask the control at every chance, so that no test waits for a second."""
    monkeypatch.setattr("nas.study.control.SECONDS_BETWEEN_LOOKS", 0.0)


class Never(SerialPool):
    """A pool whose workers answer the first so many tasks and then hang."""

    def __init__(self, answers: int) -> None:
        super().__init__()
        self._answers = answers

    def wait(self, timeout_s: float) -> list[Completion]:
        if self._answers == 0:
            return []
        self._answers -= 1
        return super().wait(timeout_s)


@pytest.mark.parametrize(("halt", "state"), [("pause", StudyState.PAUSED), ("stop", StudyState.CANCELLED)])
def test_a_halted_search_begins_nothing_new_and_says_why(
    make_study: MakeStudy, counted: Any, ledger: Ledger, halt: Any, state: StudyState
) -> None:
    study = make_study()
    control = Script(counted, {4: Command(halt=halt, reason="the boss said so")})
    study.optimize(counted.evaluator, 20, control=control)
    assert len(counted.calls) == 4
    assert (study.state, ledger.study("tiny").reason) == (state, "the boss said so")
    assert not [trial for trial in study.trials if trial.state is TrialState.RUNNING]


@pytest.mark.parametrize("deterministic", [False, True])
def test_a_paused_search_goes_on_as_if_it_had_never_stopped(
    make_study: MakeStudy, counted: Any, *, deterministic: bool
) -> None:
    def history(study: Study) -> list[Any]:
        return [(t.number, t.key, t.parameters, t.state, t.metrics) for t in study.trials]

    whole = make_study("whole", deterministic=deterministic)
    whole.optimize(counted.evaluator, 14)
    counted.calls.clear()
    counted.version = "halted"
    parts = make_study("parts", deterministic=deterministic)
    for call in (1, 6):
        parts.optimize(counted.evaluator, 14, control=Script(counted, {call: Command(halt="pause")}))
        assert len(counted.calls) == call
    parts.optimize(counted.evaluator, 14)
    assert history(parts) == history(whole)
    assert len(counted.calls) == 14


def test_a_search_that_was_stopped_may_be_taken_up(make_study: MakeStudy, counted: Any) -> None:
    study = make_study()
    study.optimize(counted.evaluator, 6, control=Script(counted, {2: Command(halt="stop")}))
    study.optimize(counted.evaluator, 6)
    assert (study.state, len(counted.calls)) == (StudyState.COMPLETED, 6)


def test_the_total_may_be_lowered_while_the_search_runs(make_study: MakeStudy, counted: Any) -> None:
    study = make_study()
    study.optimize(counted.evaluator, 20, control=Script(counted, {3: Command(n_trials=5)}))
    assert (study.state, len(counted.calls)) == (StudyState.COMPLETED, 5)


def test_the_total_may_be_raised_until_the_last_trial_has_ended(make_study: MakeStudy, counted: Any) -> None:
    study = make_study()
    study.optimize(counted.evaluator, 3, control=Script(counted, {3: Command(n_trials=5)}))
    assert (study.state, len(counted.calls)) == (StudyState.COMPLETED, 5)


def test_a_total_that_is_not_allowed_is_refused(make_study: MakeStudy, counted: Any) -> None:
    with pytest.raises(ConfigError, match="n_trials is 0; it must be at least 1"):
        make_study().optimize(counted.evaluator, 3, control=lambda: Command(n_trials=0))


def test_a_search_halted_at_its_last_trial_is_complete(make_study: MakeStudy, counted: Any) -> None:
    study = make_study()
    study.optimize(counted.evaluator, 4, control=Script(counted, {4: Command(halt="pause")}))
    assert study.state is StudyState.COMPLETED


def test_what_does_not_end_in_time_waits_for_the_next_run(
    make_study: MakeStudy, counted: Any, ledger: Ledger
) -> None:
    study = make_study()
    control = Script(counted, {2: Command(halt="pause")})
    pool = Never(answers=2)
    pool_free = pool.free
    pool.free = lambda lane: max(pool_free(lane), 3 - pool.in_flight)  # type: ignore[method-assign]
    study.optimize(counted.evaluator, 9, workers=pool, control=control, grace_s=0.05)
    assert study.state is StudyState.PAUSED
    waiting = [trial for trial in study.trials if trial.state is TrialState.PROPOSED]
    assert waiting
    outcomes = [a.outcome for trial in waiting for a in ledger.attempts(1, trial.number)]
    assert outcomes == ["halted"] * len(outcomes)
    study.optimize(counted.evaluator, 9)
    assert len(counted.calls) == 9


def test_a_halt_while_the_full_model_is_evaluated_ends_the_search_after_it(
    make_study: MakeStudy, counted: Any
) -> None:
    study = make_study()
    study.optimize(counted.evaluator, 9, control=Script(counted, {1: Command(halt="pause")}))
    assert [trial.state for trial in study.trials].count(TrialState.DONE) == 1
    assert study.state is StudyState.PAUSED


def test_the_control_is_asked_about_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.study.control.SECONDS_BETWEEN_LOOKS", 1.0)
    now, asked = [100.0], []
    monkeypatch.setattr("nas.study.control.time.monotonic", lambda: now[0])
    orders = Orders(Limits(n_trials=5), lambda: asked.append(now[0]) or Command())  # type: ignore[func-returns-value]
    for now[0] in (100.0, 100.3, 100.9, 101.1, 101.2, 102.2):
        orders.look()
    assert asked == [100.0, 101.1, 102.2]


def test_sigterm_pauses_a_search_in_good_order(make_study: MakeStudy, counted: Any, ledger: Ledger) -> None:
    def terminate() -> float:
        os.kill(os.getpid(), signal.SIGTERM)
        return 0.5

    counted.at[3] = terminate
    before = signal.getsignal(signal.SIGTERM)
    study = make_study()
    study.optimize(counted.evaluator, 20)
    assert len(counted.calls) == 4
    assert (study.state, ledger.study("tiny").reason) == (StudyState.PAUSED, "SIGTERM")
    assert study.was_halted
    assert study.trials[3].metrics["accuracy"] == 0.5
    ledger.release(ledger.acquire("tiny", owner="next", seconds=1))  # nobody holds it
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_second_sigterm_interrupts_at_once(make_study: MakeStudy, counted: Any) -> None:
    def terminate_twice() -> float:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        return 0.5

    counted.at[2] = terminate_twice
    study = make_study()
    with pytest.raises(KeyboardInterrupt):
        study.optimize(counted.evaluator, 20)
    assert study.state is StudyState.PAUSED
    assert sum(trial.state is TrialState.DONE for trial in study.trials) == 2


def test_sigterm_before_the_first_evaluation_ends_the_call_at_once(
    make_study: MakeStudy, counted: Any
) -> None:
    class Slow(SerialPool):
        def start(self, lanes: Any, arrays: Any) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            super().start(lanes, arrays)

    study = make_study()
    study.optimize(counted.evaluator, 20, workers=Slow())
    assert (study.state, counted.calls) == (StudyState.PAUSED, [])
    assert study.was_halted
    study.optimize(counted.evaluator, 2)
    assert not study.was_halted


def test_a_handler_of_the_programs_own_is_left_alone(make_study: MakeStudy, counted: Any) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        counted.at[1] = lambda: os.kill(os.getpid(), signal.SIGTERM) or 0.5  # type: ignore[func-returns-value]
        make_study().optimize(counted.evaluator, 3)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [signal.SIGTERM]
    assert len(counted.calls) == 3


def test_a_search_in_another_thread_heeds_its_control_and_no_signal(
    make_study: MakeStudy, counted: Any
) -> None:
    study = make_study()
    control = Script(counted, {2: Command(halt="pause")})
    thread = threading.Thread(target=lambda: study.optimize(counted.evaluator, 9, control=control))
    thread.start()
    thread.join(60)
    assert (study.state, len(counted.calls)) == (StudyState.PAUSED, 2)
