"""Searching with the latencies of a device that is not here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

import nas
from nas.errors import TargetUnavailableError
from nas.evaluation import LatencyEvaluation, Target, shape_key
from nas.evaluation.latency import sizes_only
from nas.jobs.target_subjects import Subject, front_configs
from nas.study import Study
from nas.supernet import Supernet
from nas.targets.calibration import calibration_shapes
from nas.targets.history import store_plan
from nas.targets.plan import make_plan
from search_spaces import SearchSpace, SubnetConfig, Workload, cost
from storage import LatencyRecord, Ledger, TrialState
from workers import PairedSamples

EDGE = Target(name="edge", sequence_length=8, device_id="0123456789abcdef")
SAMPLES = np.full(5, 2.0, np.float32)


@pytest.fixture(scope="module")
def space(supernet: Supernet) -> SearchSpace:
    return supernet.space("uniform")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'nas.db'}"


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    with Ledger.open(url) as opened:
        yield opened


@pytest.fixture
def make_study(supernet: Supernet, space: SearchSpace, url: str) -> Iterator[Callable[..., Study]]:
    made: list[Study] = []

    def make(**options: Any) -> Study:
        study = nas.create_study(
            "tiny",
            storage=url,
            supernet=supernet,
            space=space,
            objectives=["max score", "min latency_ms"],
            metrics=["score"],
            sampler="random",
            target=EDGE,
            load_if_exists=True,
            **options,
        )
        made.append(study)
        return study

    yield make
    for study in made:
        study.close()


@pytest.fixture(autouse=True)
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be measured here."""

    def refuse(self: LatencyEvaluation, skeleton: object) -> Any:
        raise AssertionError("a latency worker was started")

    monkeypatch.setattr(LatencyEvaluation, "factory", refuse)


def score(model: nn.Module) -> float:
    return sum(parameter.numel() for parameter in model.parameters()) / 1e5


def true_ratio(supernet: Supernet, config: SubnetConfig) -> float:
    """What the device would measure: it is bound by operations."""
    full = cost(supernet.shape, supernet.full, Workload()).macs
    return 0.1 + 0.9 * cost(supernet.shape, config, Workload()).macs / full


def measure(ledger: Ledger, supernet: Supernet, configs: list[SubnetConfig]) -> None:
    """Store what the device measured of the full model and some shapes, as an import does."""
    plan = make_plan(supernet.model.config, supernet.shape, task=supernet.task, target=EDGE, subnets=configs)
    store_plan(ledger, plan, supernet.shape)
    row = PairedSamples(
        candidate_wall_ms=SAMPLES,
        reference_wall_ms=SAMPLES,
        candidate_cpu_ms=SAMPLES,
        reference_cpu_ms=SAMPLES,
    ).to_bytes()
    figures = {plan.full: {"reference_ms": 2.0, "reference_low_ms": 1.9, "reference_high_ms": 2.1}}
    for key, config in plan.shapes.items():
        ratio = true_ratio(supernet, config)
        figures[key] = {"ratio": ratio, "ratio_low": 0.99 * ratio, "ratio_high": 1.01 * ratio}
    for key, statistics in figures.items():
        ledger.put_latency(
            LatencyRecord(
                shape_key=key,
                target=str(EDGE.device_id),
                workload_sha256=EDGE.workload_sha256,
                statistics=statistics,
                samples=row,
                quality_flag="ok",
                device={},
                valid=True,
            )
        )


def paused(study: Study) -> list[Any]:
    return [trial for trial in study.trials if trial.state is TrialState.PAUSED]


def test_nothing_is_searched_before_the_full_model_was_measured(make_study: Callable[..., Study]) -> None:
    with pytest.raises(TargetUnavailableError, match="nas targets plan CONFIG --calibration 40"):
        make_study().optimize(score, 3)


def test_an_imported_shape_is_a_measured_trial(
    make_study: Callable[..., Study], supernet: Supernet, space: SearchSpace, ledger: Ledger
) -> None:
    config = space.smallest()
    measure(ledger, supernet, [config])
    study = make_study(enqueue=())
    study.enqueue(config)
    study.optimize(score, 2)
    (trial,) = [t for t in study.trials if t.key == config.key]
    assert trial.state is TrialState.DONE
    assert trial.metrics["latency_ms"] == pytest.approx(2.0 * true_ratio(supernet, config))


@pytest.mark.parametrize("racing", [None, nas.Racing()])
def test_a_shape_that_was_not_measured_is_predicted_and_waits(
    make_study: Callable[..., Study],
    supernet: Supernet,
    space: SearchSpace,
    ledger: Ledger,
    racing: nas.Racing | None,
) -> None:
    measure(ledger, supernet, calibration_shapes(space, 40))
    study = make_study(racing=racing)
    study.optimize(score, 12)
    waiting = paused(study)
    assert waiting
    for trial in waiting:
        assert "latency_ms" not in trial.metrics
        assert trial.metrics["latency_ms_predicted"] == pytest.approx(
            2.0 * true_ratio(supernet, trial.config), rel=0.2
        )
        assert trial not in study.best_trials


def test_a_waiting_trial_goes_on_when_its_latency_was_imported(
    make_study: Callable[..., Study], supernet: Supernet, space: SearchSpace, ledger: Ledger
) -> None:
    measure(ledger, supernet, calibration_shapes(space, 40))
    calls: list[object] = []

    def counted(model: nn.Module) -> float:
        calls.append(model)
        return score(model)

    evaluator = nas.ScoreEvaluator(score=counted, metrics=("score",))
    study = make_study()
    study.optimize(evaluator, 12)
    first = paused(study)[0]
    measure(ledger, supernet, [first.config])
    calls.clear()
    study.optimize(evaluator, 12)
    trial = study.trial(first.number)
    assert trial.state is TrialState.DONE
    assert trial.metrics["latency_ms"] == pytest.approx(2.0 * true_ratio(supernet, trial.config))
    assert trial.metrics["score"] == first.metrics["score"]
    assert calls == []


def test_without_enough_measurements_nothing_is_predicted(
    make_study: Callable[..., Study], supernet: Supernet, space: SearchSpace, ledger: Ledger
) -> None:
    measure(ledger, supernet, calibration_shapes(space, 3))
    study = make_study()
    study.optimize(score, 6)
    assert paused(study)
    assert all("latency_ms_predicted" not in trial.metrics for trial in paused(study))


def test_the_predicted_front_is_what_a_plan_measures(
    make_study: Callable[..., Study], supernet: Supernet, space: SearchSpace, ledger: Ledger, url: str
) -> None:
    measure(ledger, supernet, calibration_shapes(space, 40))
    study = make_study()
    study.optimize(score, 12)
    subject = Subject(
        config=supernet.model.config,
        shape=supernet.shape,
        space=space,
        task=supernet.task,
        target=EDGE,
        url=url,
        study="tiny",
    )
    chosen = {shape_key(supernet.shape, sizes_only(config)) for config in front_configs(subject)}
    best = max(paused(study), key=lambda trial: trial.metrics["score"])
    assert shape_key(supernet.shape, best.config) in chosen


def test_the_device_itself_measures(supernet: Supernet, ledger: Ledger) -> None:
    from nas.study.latencies import Latencies

    here = Target(sequence_length=8)
    own = replace(here, device_id=here.fingerprint().id)
    assert not Latencies(ledger, supernet.shape, LatencyEvaluation(target=own)).is_offline
    assert Latencies(ledger, supernet.shape, LatencyEvaluation(target=EDGE)).is_offline
