"""What a search tells while it runs, and what it reads for that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nas.study import Study
from nas.study.reporting import Reporter
from storage import Ledger, TrialState

MakeStudy = Callable[..., Study]


class Shown:
    """A progress bar that notes what it was given."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, float, str]] = []

    def __call__(self, done: float, total: float, text: str = "") -> None:
        self.calls.append((done, total, text))


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """Fed at every trial."""
    monkeypatch.setattr("nas.study.reporting.SECONDS_BETWEEN_LOOKS", 0.0)
    return Shown()


@pytest.fixture
def full_reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ids of studies of which all trials were read."""
    reads: list[int] = []
    read_all, read_each = Ledger.trials, Ledger.each_trial

    def all_counted(self: Ledger, study_id: int, **options: Any) -> Any:
        reads.append(study_id)
        return read_all(self, study_id, **options)

    def each_counted(self: Ledger, study_id: int, **options: Any) -> Any:
        reads.append(study_id)
        return read_each(self, study_id, **options)

    monkeypatch.setattr(Ledger, "trials", all_counted)
    monkeypatch.setattr(Ledger, "each_trial", each_counted)
    return reads


def test_the_bar_shows_the_front_and_hypervolume_of_the_study(
    make_study: MakeStudy, wave: Any, shown: Shown
) -> None:
    study = make_study()
    expected: list[str] = []

    def note(study: Any, _: Any) -> None:
        expected.append(f"front {len(study.best_trials)}, hypervolume {study.hypervolume:.4f}")

    reporter: Any = None

    def report(study: Study, trial: Any) -> None:
        nonlocal reporter
        reporter = reporter or Reporter(study, lambda: 15, progress=shown, callbacks=[note])
        reporter(trial.number)

    study.optimize(wave, 15, callbacks=[report])
    assert [text for _, _, text in shown.calls] == expected
    assert [(done, total) for done, total, _ in shown.calls] == [(i, 15) for i in range(1, 16)]


def test_the_study_is_read_once_however_many_looks_there_are(
    make_study: MakeStudy, wave: Any, shown: Shown, full_reads: list[int]
) -> None:
    study = make_study()
    study.optimize(wave, 12)
    reporter = Reporter(study, lambda: 12, progress=shown, callbacks=[])
    full_reads.clear()
    for trial in range(1, 12):
        reporter(trial)
    assert len(shown.calls) == 11
    assert len(full_reads) == 1


def test_trials_between_two_looks_are_counted_at_the_second(
    make_study: MakeStudy, wave: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.study.reporting.SECONDS_BETWEEN_LOOKS", 3600.0)
    study, shown = make_study(), Shown()
    study.optimize(wave, 1)
    reporter = Reporter(study, lambda: 9, progress=shown, callbacks=[])
    reporter(0)
    study.optimize(wave, 8, callbacks=[lambda _, trial: reporter(trial.number)])
    assert len(shown.calls) == 1
    study.optimize(wave, 9)
    monkeypatch.setattr("nas.study.reporting.SECONDS_BETWEEN_LOOKS", 0.0)
    last = max(trial.number for trial in study.trials if trial.state is TrialState.DONE)
    reporter(last)
    assert shown.calls[-1][0] == 9
    assert shown.calls[-1][2] == f"front {len(study.best_trials)}, hypervolume {study.hypervolume:.4f}"


def test_nothing_is_read_for_nobody(
    make_study: MakeStudy, wave: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study()
    study.optimize(wave, 2)
    reads: list[int] = []
    monkeypatch.setattr(Ledger, "trial", lambda *given: reads.append(given[-1]))
    Reporter(study, lambda: 2, progress=None, callbacks=[])(1)
    assert reads == []


def test_a_failed_trial_is_counted_and_not_on_the_front(
    make_study: MakeStudy, counted: Any, raising: Any, shown: Shown
) -> None:
    study = make_study()
    counted.at[2] = raising(ValueError("broken"))
    study.optimize(counted.evaluator, 5)
    Reporter(study, lambda: 5, progress=shown, callbacks=[])(4)
    done, total, text = shown.calls[-1]
    assert (done, total) == (5, 5)
    assert text.startswith(f"front {len(study.best_trials)}, ")
    assert text.endswith(", 1 failed")


@pytest.fixture
def paused(make_study: MakeStudy, wave: Any, ledger: Ledger) -> tuple[Study, int]:
    """A study with a trial that was stopped early, at estimates better than all the others."""
    study = make_study()
    study.optimize(wave, 3)
    asked = study.ask()
    study._stop_asking()
    lease = ledger.acquire("tiny", owner="test")
    ledger.dispatch(lease, asked.number)
    ledger.pause(lease, asked.number, {"accuracy": 1.0}, reason="dominated by trial 0")
    ledger.release(lease)
    return study, asked.number


def test_a_paused_trial_is_counted(paused: tuple[Study, int], shown: Shown) -> None:
    study, number = paused
    Reporter(study, lambda: 9, progress=shown, callbacks=[])(number)
    done, _, text = shown.calls[-1]
    assert done == 4
    assert text.endswith(", 1 paused")


def test_a_paused_trial_is_not_on_the_front(paused: tuple[Study, int]) -> None:
    study, number = paused
    assert study.trial(number).state is TrialState.PAUSED
    assert number not in {trial.number for trial in study.best_trials}
    assert study.best().number != number


def test_callbacks_hear_of_trials_that_ended_only(paused: tuple[Study, int]) -> None:
    study, number = paused
    heard: list[int] = []
    reporter = Reporter(
        study, lambda: 9, progress=None, callbacks=[lambda _, trial: heard.append(trial.number)]
    )
    reporter(number)
    reporter(0)
    assert heard == [0]


def test_trials_are_read_by_their_numbers(make_study: MakeStudy, wave: Any) -> None:
    study = make_study()
    study.optimize(wave, 4)
    assert study.trials_numbered([3, 1]) == [study.trials[3], study.trials[1]]
