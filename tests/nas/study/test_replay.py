"""What a study's sampler was asked is asked again from the log, and answered alike."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.errors import StorageError
from nas.search import known_samplers
from nas.study import Study
from nas.study.replay import ReplayReport, Verdict
from nas.study.session import Session
from storage import Ledger, StudyState, TrialState
from workers import Completion, LaneName, SerialPool

MakeStudy = Callable[..., Study]
BUDGET = "num_prunable_parameters <= 0.6 * baseline"
SIZE = "layers.1.intermediate_size"
SKIPPED = ("seed:knapsack", "seed:enqueued", "baseline:layer_drop")


class Shuffled(SerialPool):
    """Four workers that finish in an order of their own."""

    def __init__(self) -> None:
        super().__init__()
        self._generator = random.Random(3)

    def wait(self, timeout_s: float) -> list[Completion]:
        self._queue.rotate(self._generator.randrange(4))
        return super().wait(timeout_s)

    def free(self, lane: LaneName) -> int:
        return 4 - len(self._queue) if lane in self._lanes else 0


def of_origin(report: ReplayReport, origin: str) -> list[Verdict]:
    return [trial.verdict for trial in report.trials if trial.origin == origin]


def tamper(
    url: str, number: int, change: Callable[[dict[str, Any]], None], column: str = "parameters"
) -> None:
    """Change a JSON column of a trial behind the ledger's back."""
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        query = f"SELECT {column} FROM nas_trial WHERE number = ?"
        value = json.loads(connection.execute(query, (number,)).fetchone()[0])
        change(value)
        connection.execute(f"UPDATE nas_trial SET {column} = ? WHERE number = ?", (json.dumps(value), number))


def other_size(parameters: dict[str, Any]) -> None:
    """Another point of the space."""
    parameters[SIZE] += 4 if parameters[SIZE] == 0 else -4


def strip_waiting(url: str) -> None:
    """Make the log that of a version that did not note what was open."""
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE nas_event SET payload = json_remove(payload, '$.waiting')")


@pytest.mark.parametrize(
    ("sampler", "space"),
    [*((name, "medium") for name in known_samplers() if name != "gp"), ("nsga2", "staged")],
)
def test_an_asynchronous_study_of_every_sampler_replays_equal(
    make_study: MakeStudy, counted: Any, sampler: str, space: str
) -> None:
    study = make_study(sampler=sampler, space=space, constraints=[BUDGET], enqueue=("full", "middle"))
    study.optimize(counted.evaluator, 26, workers=Shuffled())
    report = study.replay()
    assert report.first_difference is None
    assert len(report.trials) == report.num_trials == len(study.trials)
    assert of_origin(report, "sampler").count(Verdict.EQUAL) >= 20


@pytest.mark.slow
def test_a_gaussian_process_replays_equal(make_study: MakeStudy, counted: Any) -> None:
    study = make_study(sampler="gp", constraints=[BUDGET])
    study.optimize(counted.evaluator, 22)
    assert study.replay().first_difference is None


@pytest.mark.parametrize("sampler", ["nsga2", "tpe", "evolution"])
def test_a_deterministic_study_in_two_runs_replays_equal(
    make_study: MakeStudy, counted: Any, sampler: str
) -> None:
    study = make_study(sampler=sampler, space="medium", deterministic=True, parallel=4)
    study.optimize(counted.evaluator, 15, workers=Shuffled())
    study.optimize(counted.evaluator, 34, workers=Shuffled())
    assert study.replay().first_difference is None


def test_failures_are_replayed_as_the_sampler_heard_of_them(
    make_study: MakeStudy, counted: Any, raising: Any
) -> None:
    counted.at.update({call: raising(RuntimeError("broken")) for call in (9, 13, 22)})
    study = make_study(sampler="nsga2", space="medium")
    study.optimize(counted.evaluator, 34, workers=Shuffled())
    assert sum(trial.state is TrialState.FAILED for trial in study.trials) == 3
    assert study.replay().is_equal


def test_an_exhausted_space_replays_its_duplicates_and_random_proposals(
    make_study: MakeStudy, counted: Any, twelve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.study.session.STALE_PROPOSALS", 2)
    study = make_study(space=twelve, enqueue=(), sampler="nsga2")
    study.optimize(counted.evaluator, 12)
    report = study.replay()
    assert set(of_origin(report, "sampler:random")) == {Verdict.EQUAL}
    assert TrialState.DUPLICATE in {trial.state for trial in study.trials}
    assert report.is_equal


def test_seeds_that_need_the_supernet_or_a_person_are_skipped_with_a_reason(
    make_study: MakeStudy, supernet: Any, counted: Any
) -> None:
    study = make_study(space="medium")
    study.enqueue(supernet.space("medium").sample(np.random.default_rng(5)))
    study.optimize(counted.evaluator, 16)
    report = study.replay()
    verdicts = {trial.origin: trial.verdict for trial in report.trials}
    assert verdicts["baseline:full"] is verdicts["baseline:random"] is Verdict.EQUAL
    assert verdicts["seed:enqueued"] is Verdict.SKIPPED
    assert all(trial.reason for trial in report.trials if trial.verdict is Verdict.SKIPPED)
    assert {trial.origin for trial in report.trials if trial.verdict is Verdict.SKIPPED} <= set(SKIPPED)


def test_a_study_evaluated_by_its_user_replays_equal(make_study: MakeStudy) -> None:
    study = make_study(sampler="nsga2", space="medium", constraints=["accuracy >= 0.9 * baseline"])
    trials = [study.ask() for _ in range(14)]
    for number, trial in enumerate(reversed(trials)):  # the full model comes last: budgets are known late
        study.tell(trial, None if number == 3 else {"accuracy": 0.5 + number / 100})
    for number in range(30):
        study.tell(study.ask(), {"accuracy": 0.6 + number / 100})
    study.close()
    assert study.replay().is_equal


@pytest.fixture
def session(make_study: MakeStudy, ledger: Ledger) -> Callable[[Study], Session]:
    def open_session(study: Study) -> Session:
        return Session(ledger, ledger.study(study.name), study.spec, study._space)  # type: ignore[arg-type]

    return open_session


def dispatched(session: Session, count: int) -> list[int]:
    """Numbers of new trials that run."""
    numbers = [record.number for record in session.ask(count)]
    for number in numbers:
        session.ledger.dispatch(session.lease, number)
    return numbers


def finish(session: Session, number: int, accuracy: float) -> None:
    session.complete(number, {"accuracy": accuracy})
    session.tell(number)


def run_seeds(session: Session) -> None:
    for record in session.open_trials():
        session.ledger.dispatch(session.lease, record.number)
        finish(session, record.number, 0.5 + record.number / 100)


def pause(session: Session, number: int, accuracy: float) -> None:
    session.pause(number, {"accuracy": accuracy}, reason="dominated")
    session.tell(number)


def rescue(session: Session, number: int) -> None:
    session.reopen(number)
    session.ledger.dispatch(session.lease, number)


@pytest.mark.parametrize("is_old_log", [False, True])
def test_a_paused_trial_counts_as_paused_until_the_sampler_is_made_anew(
    make_study: MakeStudy, session: Any, url: str, is_old_log: bool
) -> None:
    study = make_study(sampler="evolution", space="medium")
    first = session(study)
    run_seeds(first)
    a, b, c, d = dispatched(first, 4)
    pause(first, a, 0.9)
    pause(first, b, 0.2)
    rescue(first, a)
    e, f = dispatched(first, 2)  # the sampler still takes `a` for paused
    rescue(first, b)
    finish(first, b, 0.95)  # `b` ends otherwise than it was told: everything is told anew, `a` is open
    g, h = dispatched(first, 2)
    finish(first, c, 0.4)
    first.close(StudyState.PAUSED)
    second = session(study)  # of a driver that died: a, d, e, f, g and h wait
    assert {a, d, e, f, g, h} <= {record.number for record in second.open_trials()}
    dispatched(second, 3)
    second.ledger.dispatch(second.lease, a)
    pause(second, a, 0.6)
    dispatched(second, 3)
    second.close(StudyState.PAUSED)
    if is_old_log:
        strip_waiting(url)
    assert study.replay().first_difference is None


def test_a_late_result_counts_from_when_the_driver_heard_of_it(
    make_study: MakeStudy, session: Any, ledger: Ledger, url: str
) -> None:
    study = make_study(sampler="evolution", space="medium")
    driver = session(study)
    run_seeds(driver)
    a, *_ = dispatched(driver, 3)
    ledger.complete(driver.study_id, a, {"accuracy": 0.99})  # by a driver that had lost the study
    dispatched(driver, 3)
    driver.ended(a)
    driver.tell(a)
    dispatched(driver, 3)
    driver.close(StudyState.PAUSED)
    assert study.replay().first_difference is None
    strip_waiting(url)
    assert study.replay().first_difference is not None  # else this shows nothing


def test_a_changed_parameter_is_found_and_named(make_study: MakeStudy, counted: Any, url: str) -> None:
    study = make_study(sampler="random", space="medium")
    study.optimize(counted.evaluator, 24)
    number = next(trial.number for trial in study.trials if trial.origin == "sampler") + 2
    tamper(url, number, other_size)
    report = study.replay()
    found = report.first_difference
    assert found is not None
    assert (found.number, found.field) == (number, "parameters")
    changed = {name for name in found.given if found.given[name] != found.recomputed[name]}
    assert changed == {SIZE}
    assert report.count(Verdict.DIFFERS) == 1  # random draws do not depend on one another


def test_later_proposals_are_recomputed_from_what_is_stored(
    make_study: MakeStudy, counted: Any, url: str
) -> None:
    study = make_study(sampler="evolution", space="medium")
    study.optimize(counted.evaluator, 30)
    number = next(trial.number for trial in study.trials if trial.origin == "sampler")
    tamper(url, number, other_size)
    whole, early = study.replay(), study.replay(stop_early=True)
    assert len(whole.trials) == len(study.trials)
    assert early.trials == whole.trials[: number + 1]


def test_a_parameter_that_the_space_does_not_hold_is_found(
    make_study: MakeStudy, counted: Any, url: str
) -> None:
    study = make_study(sampler="nsga2", space="medium")
    study.optimize(counted.evaluator, 16)
    tamper(url, 14, lambda parameters: parameters.update({SIZE: 1_000_000}))
    found = study.replay().first_difference
    assert found is not None
    assert (found.number, found.given[SIZE]) == (14, 1_000_000)


@pytest.mark.parametrize(("column", "key"), [("costs", "num_parameters"), ("config", "hidden")])
def test_a_changed_cost_or_sub_network_is_found(
    make_study: MakeStudy, counted: Any, url: str, column: str, key: str
) -> None:
    study = make_study(sampler="random")
    study.optimize(counted.evaluator, 20)
    tamper(url, 17, lambda value: value.update({key: value[key] - 1}), column)
    found = study.replay().first_difference
    assert found is not None
    assert (found.number, found.field) == (17, column)


def test_a_changed_seed_is_found(make_study: MakeStudy, counted: Any, url: str) -> None:
    study = make_study()
    study.optimize(counted.evaluator, 5)
    tamper(url, 1, lambda costs: costs.update(num_parameters=1.0), "costs")
    found = study.replay().first_difference
    assert found is not None
    assert (found.number, found.origin) == (1, "seed:smallest")


def test_a_trial_that_only_the_log_knows_is_an_error(make_study: MakeStudy, counted: Any, url: str) -> None:
    study = make_study()
    study.optimize(counted.evaluator, 6)
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        connection.execute("DELETE FROM nas_trial WHERE number = 3")
    with pytest.raises(StorageError, match="trial 3, which is not stored"):
        study.replay()


def test_a_replay_changes_nothing(make_study: MakeStudy, counted: Any, url: str) -> None:
    study = make_study(sampler="nsga2")
    study.optimize(counted.evaluator, 20)
    database = Path(url.removeprefix("sqlite:///"))
    with sqlite3.connect(database) as connection:
        before = list(connection.iterdump())
    study.replay()
    with sqlite3.connect(database) as connection:
        assert list(connection.iterdump()) == before
