"""Which trials are handed to the workers of a pool, how many at a time, and with which deadlines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nas.study import Study
from nas.supernet import Supernet
from storage import Ledger, TrialState
from workers import Completion, LaneName, SerialPool, Task

MakeStudy = Callable[..., Study]


class Wide(SerialPool):
    """A serial pool that looks as if it had three workers, some of them slow to answer."""

    def __init__(self, *, slowness: int = 0) -> None:
        super().__init__()
        self.slowness = slowness
        self.tasks: list[Task] = []
        self.most_in_flight = 0
        self._waits = 0

    def free(self, lane: LaneName) -> int:
        return max(0, 3 - self.in_flight)

    def submit(self, task: Task) -> None:
        self.tasks.append(task)
        super().submit(task)
        self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def wait(self, timeout_s: float) -> list[Completion]:
        self._waits += 1
        return super().wait(timeout_s) if self._waits % (self.slowness + 1) == 0 else []


@pytest.mark.parametrize("deterministic", [False, True])
def test_all_workers_of_a_pool_are_kept_busy(
    make_study: MakeStudy, counted: Any, *, deterministic: bool
) -> None:
    pool = Wide()
    study = make_study(deterministic=deterministic, parallel=6)
    study.optimize(counted.evaluator, 30, workers=pool)
    assert pool.most_in_flight == 3
    assert len(counted.calls) == 30


def test_the_full_model_is_evaluated_alone(make_study: MakeStudy, counted: Any) -> None:
    class Watched(Wide):
        def wait(self, timeout_s: float) -> list[Completion]:
            in_flight.append(self.in_flight)
            return super().wait(timeout_s)

    in_flight: list[int] = []
    make_study().optimize(counted.evaluator, 8, workers=Watched())
    assert in_flight[:2] == [1, 3]


@pytest.mark.parametrize("total", [2, 7, 13, 14])
def test_no_more_begins_than_was_asked_for(make_study: MakeStudy, counted: Any, total: int) -> None:
    study = make_study()
    study.optimize(counted.evaluator, total, workers=Wide())
    assert len(counted.calls) == total
    assert not [trial for trial in study.trials if trial.state is TrialState.RUNNING]


def test_batches_are_told_whole_whichever_order_results_come_in(make_study: MakeStudy, counted: Any) -> None:
    class Backwards(Wide):
        def wait(self, timeout_s: float) -> list[Completion]:
            ended: list[Completion] = []
            while self.in_flight:
                ended += SerialPool.wait(self, timeout_s)
            return ended[::-1]

    def history(name: str, pool: SerialPool) -> list[Any]:
        study = make_study(name, deterministic=True, parallel=4, sampler="nsga2")
        study.optimize(counted.evaluator, 30, workers=pool)
        return [(t.number, t.key, t.state, t.values) for t in study.trials]

    assert history("backwards", Backwards()) == history("serial", SerialPool())


def test_while_workers_are_busy_a_space_without_further_sub_networks_is_not_asked_again_and_again(
    make_study: MakeStudy, counted: Any, supernet: Supernet, ledger: Ledger
) -> None:
    smallest = supernet.cost(supernet.space("uniform").smallest()).num_parameters
    study = make_study(sampler="random", constraints=(f"num_parameters <= {smallest}",))
    study.optimize(counted.evaluator, 100, workers=Wide(slowness=10))
    assert len(counted.calls) == 2
    assert len(ledger.trials(1)) < 250  # a hundred proposals in vain for each of two results


def test_the_same_sub_network_over_budget_may_be_proposed_twice_at_once(
    make_study: MakeStudy, counted: Any, twelve: Any, ledger: Ledger
) -> None:
    study = make_study(
        space=twelve, sampler="random", enqueue=(), constraints=("num_parameters <= 0.45 * baseline",)
    )
    study.optimize(counted.evaluator, 100)
    trials = ledger.trials(1)
    refused = {trial.key: trial.number for trial in trials if trial.state is TrialState.INFEASIBLE}
    repeated = [t for t in trials if t.state is TrialState.DUPLICATE and t.key in refused]
    assert repeated
    assert all(trial.reused_from == refused[trial.key] for trial in repeated)


def test_deadlines_follow_the_full_models_evaluation(
    make_study: MakeStudy,
    counted: Any,
    supernet: Supernet,
    monkeypatch: pytest.MonkeyPatch,
    ledger: Ledger,
) -> None:
    monkeypatch.setattr("nas.study.driver.MIN_DEADLINE_S", 0.001)
    pool = Wide()
    study = make_study()
    study.optimize(counted.evaluator, 3, workers=pool)
    quality = ledger.quality(supernet.sha256, study.trials[0].key, counted.evaluator.prepare(None).sha256, 1)
    assert quality is not None
    assert [task.timeout_s for task in pool.tasks] == [None, *[pytest.approx(20 * quality.seconds)] * 2]
