"""Who goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nas.evaluation import Outcome
from nas.objectives import parse_constraints, parse_objectives
from nas.racing import Race, Racing
from nas.racing.observations import head

MakeOutcome = Callable[..., Outcome]
SIZE = 400
BASELINE = {"accuracy": 0.9, "num_parameters": 100.0, "latency_ms": 10.0}


def _race(*constraints: str, objectives: tuple[str, ...] = (), **settings: Any) -> Race:
    return Race(
        Racing(**settings),
        parse_objectives(objectives or ("max accuracy", "min num_parameters")),
        parse_constraints(constraints),
        baseline=BASELINE,
        num_examples=SIZE,
    )


def _hits(share: float, seed: int = 0) -> np.ndarray:
    """Nested: what a worse one gets right a better one does too."""
    return np.random.default_rng(seed).permutation(SIZE) < share * SIZE


@pytest.fixture
def entered(classified: MakeOutcome) -> Callable[..., Race]:
    """A race with one full evaluation: accuracy 0.9 at 50 parameters."""

    def make(*constraints: str, **settings: Any) -> Race:
        race = _race(*constraints, **settings)
        race.enter(7, {"accuracy": 0.9, "num_parameters": 50.0, "latency_ms": 5.0}, classified(_hits(0.9)))
        return race

    return make


def test_a_much_worse_candidate_of_higher_cost_is_paused(
    entered: Callable[..., Race], classified: MakeOutcome
) -> None:
    race = entered()
    verdict = race.judge(head(classified(_hits(0.5)), 64), {"num_parameters": 60.0})
    assert race.pauses(verdict) == "dominated by trial 7"
    assert not race.is_hopeful(verdict)


def test_a_worse_candidate_of_lower_cost_goes_on(
    entered: Callable[..., Race], classified: MakeOutcome
) -> None:
    race = entered()
    verdict = race.judge(head(classified(_hits(0.5)), 64), {"num_parameters": 40.0})
    assert race.pauses(verdict) is None


def test_a_slightly_worse_candidate_is_paused_and_stays_hopeful(
    entered: Callable[..., Race], classified: MakeOutcome
) -> None:
    race = entered()
    verdict = race.judge(head(classified(_hits(0.89)), 48), {"num_parameters": 60.0})
    assert race.pauses(verdict) == "dominated by trial 7"
    assert race.is_hopeful(verdict)


def test_without_rescue_the_bound_itself_decides(
    entered: Callable[..., Race], classified: MakeOutcome
) -> None:
    race = entered(rescue=False)
    verdict = race.judge(head(classified(_hits(0.89)), 48), {"num_parameters": 60.0})
    assert race.pauses(verdict) is None


def test_an_equal_candidate_is_never_paused(entered: Callable[..., Race], classified: MakeOutcome) -> None:
    race = entered()
    verdict = race.judge(head(classified(_hits(0.9)), 64), {"num_parameters": 50.0})
    assert race.pauses(verdict) is None


def test_estimates_are_of_all_the_data(entered: Callable[..., Race], classified: MakeOutcome) -> None:
    race = entered()
    verdict = race.judge(head(classified(_hits(0.8)), 200), {"num_parameters": 60.0})
    assert verdict.metrics["accuracy"] == pytest.approx(0.8, abs=0.03)


def test_an_unknown_latency_rules_nothing_out(classified: MakeOutcome) -> None:
    race = _race(objectives=("max accuracy", "min latency_ms"))
    race.enter(1, {"accuracy": 0.9, "latency_ms": 5.0}, classified(_hits(0.9)))
    bad = head(classified(_hits(0.3)), 64)
    assert race.pauses(race.judge(bad, {"num_parameters": 60.0})) is None
    assert race.pauses(race.judge(bad, {"latency_ms": 5.1})) == "dominated by trial 1"


def test_a_predicted_latency_pauses_and_its_bound_rescues(classified: MakeOutcome) -> None:
    race = _race(objectives=("max accuracy", "min latency_ms"))
    race.enter(1, {"accuracy": 0.9, "latency_ms": 5.0}, classified(_hits(0.9)))
    worse = classified(_hits(0.85))
    verdict = race.judge(worse, {"latency_ms": 4.5}, {"latency_ms": 5.5})
    assert race.pauses(verdict) == "dominated by trial 1"
    assert race.is_hopeful(verdict)


def test_a_candidate_that_surely_breaks_a_budget_on_quality_is_paused(classified: MakeOutcome) -> None:
    race = _race("accuracy >= 0.9 * baseline")
    verdict = race.judge(head(classified(_hits(0.4)), 64), {"num_parameters": 1.0})
    assert race.pauses(verdict) == "breaks accuracy >= 0.9 * baseline"
    assert not race.is_hopeful(verdict)


def test_sub_networks_over_budget_pause_nobody(entered: Callable[..., Race], classified: MakeOutcome) -> None:
    race = entered("num_parameters <= 20")
    verdict = race.judge(head(classified(_hits(0.3)), 64), {"num_parameters": 60.0})
    assert race.pauses(verdict) is None


def test_a_candidate_that_promises_more_comes_first(
    entered: Callable[..., Race], classified: MakeOutcome
) -> None:
    race = entered()
    better, worse = (
        race.judge(head(classified(_hits(share)), 48), {"num_parameters": 60.0}) for share in (0.89, 0.8)
    )
    assert race.promise(better) > race.promise(worse)


def test_a_member_without_outcome_is_asked_for(classified: MakeOutcome) -> None:
    race = _race()
    race.enter(1, {"accuracy": 0.9, "num_parameters": 50.0}, None)
    race.enter(2, {"accuracy": 0.8, "num_parameters": 60.0}, None)
    assert race.unknown == [1]
    race.recall(1, classified(_hits(0.9)))
    assert race.unknown == []


@pytest.mark.parametrize("metric", ["f1", "matthews_correlation", "loss", "perplexity"])
def test_other_metrics_race_too(metric: str, classified: MakeOutcome) -> None:
    direction = "min" if metric in ("loss", "perplexity") else "max"
    race = _race(objectives=(f"{direction} {metric}", "min num_parameters"))
    best = classified(_hits(0.9))
    race.enter(1, {metric: best.values([metric])[metric], "num_parameters": 50.0}, best)
    verdict = race.judge(head(classified(_hits(0.5)), 72), {"num_parameters": 60.0})
    assert not race.is_hopeful(verdict)


def test_true_front_members_are_seldom_given_up(classified: MakeOutcome) -> None:
    """1,000 candidates: those better than the front that are left paused are fewer than the declared rate."""
    generator = np.random.default_rng(3)
    race = _race(confidence=0.85)
    order = generator.permutation(SIZE)
    reference = order < 0.85 * SIZE
    race.enter(0, {"accuracy": reference.mean(), "num_parameters": 50.0}, classified(reference))
    wrong = 0
    for _ in range(1000):
        share = generator.normal(0.86, 0.02)
        hits = order + 40 * generator.standard_normal(SIZE) < share * SIZE
        shuffled = generator.permutation(SIZE)
        race = _race(confidence=0.85)
        race.enter(0, {"accuracy": reference.mean(), "num_parameters": 50.0}, classified(reference[shuffled]))
        outcome = classified(hits[shuffled])
        stopped = any(
            not race.is_hopeful(race.judge(head(outcome, n), {"num_parameters": 50.0}))
            for n in race.stages[:-1]
        )
        wrong += stopped and hits.mean() > reference.mean()
    assert wrong / 1000 <= 0.15
