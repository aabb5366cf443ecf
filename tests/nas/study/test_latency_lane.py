"""Latency in a search: measured once a shape and device, repeated while disturbed, held to budgets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

import nas
from nas import Target
from nas.evaluation import LatencyEvaluation, LatencyResult, Skeleton
from nas.study import Study
from search_spaces import SearchSpace
from storage import LatencyRecord, Ledger, StudyState, TrialState
from workers import Completion, Lane, LaneName, LatencyProtocol, PairedSamples, Pool, SerialPool, Task

MakeStudy = Callable[..., Study]
FAST = LatencyProtocol(
    warmup_s=0.002, warmup_runs=1, min_pairs=5, max_seconds=0.05, relative_precision=0.5, min_cpu_share=0.01
)
TARGET = Target.local(sequence_length=8)
OBJECTIVES = ("max accuracy", "min latency_ms")


def samples(milliseconds: float) -> bytes:
    row = np.full(5, milliseconds, np.float32)
    return PairedSamples(
        candidate_wall_ms=row, reference_wall_ms=row, candidate_cpu_ms=row, reference_cpu_ms=row
    ).to_bytes()


def measured(ratio: float, *, flag: str = "ok", half_width: float = 0.01) -> LatencyResult:
    figures = {"ratio": ratio, "ratio_low": ratio * (1 - half_width), "ratio_high": ratio * (1 + half_width)}
    return LatencyResult(
        statistics=figures, samples=samples(10 * ratio), flag=flag, device={"cpu": "scripted"}
    )


def calibrated(milliseconds: float, *, flag: str = "ok", half_width: float = 0.01) -> LatencyResult:
    figures = {
        "reference_ms": milliseconds,
        "reference_low_ms": milliseconds * (1 - half_width),
        "reference_high_ms": milliseconds * (1 + half_width),
    }
    return LatencyResult(statistics=figures, samples=samples(milliseconds), flag=flag, device={})


class Scripted(LatencyEvaluation):
    """A latency lane with answers written in advance; later ones are usable and undisturbed."""

    full: ClassVar[list[LatencyResult | Exception]] = []
    others: ClassVar[list[LatencyResult | Exception]] = []
    calls: ClassVar[list[object]] = []

    def factory(self, skeleton: Skeleton) -> Any:
        return lambda arrays: self._answer

    def _answer(self, payload: Mapping[str, Any] | None) -> LatencyResult:
        self.calls.append(payload)
        script, usual = (self.full, calibrated(10.0)) if payload is None else (self.others, measured(0.5))
        answer = script.pop(0) if script else usual
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> type[Scripted]:
    """Studies measure by this script."""
    Scripted.full, Scripted.others, Scripted.calls = [], [], []
    monkeypatch.setattr("nas.study.study.LatencyEvaluation", Scripted)
    return Scripted


@pytest.fixture
def lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rank by whatever was measured in the few milliseconds that a test has."""
    monkeypatch.setattr("nas.evaluation.latency.USABLE_PRECISION", 100.0)


def rows(ledger: Ledger) -> list[LatencyRecord]:
    return ledger.latencies(include_invalid=True)


# Really measured


@pytest.mark.usefixtures("lenient")
def test_a_search_measures_each_shape_beside_the_full_model(
    make_study: MakeStudy, wave: Any, ledger: Ledger
) -> None:
    study = make_study(objectives=OBJECTIVES, target=TARGET)
    threads = torch.get_num_threads()
    study.optimize(wave, 6, latency_protocol=FAST)
    full = study.baseline
    assert full["latency_ratio"] == 1.0
    for trial in study.trials[1:6]:
        metrics = trial.metrics
        assert metrics["latency_ratio_low"] <= metrics["latency_ratio"] <= metrics["latency_ratio_high"]
        assert metrics["latency_ms"] == pytest.approx(metrics["latency_ratio"] * full["latency_ms"])
        assert metrics["cpu_latency_ms"] > 0
        assert metrics["latency_is_quiet"] in (0.0, 1.0)
    assert study.device_of_target() == dict(rows(ledger)[-1].device)
    assert torch.get_num_threads() == threads


@pytest.mark.usefixtures("lenient")
def test_processor_time_can_be_searched_for(make_study: MakeStudy, wave: Any) -> None:
    study = make_study(objectives=("max accuracy", "min cpu_latency_ms"), target=TARGET)
    study.optimize(wave, 3, latency_protocol=FAST)
    assert study.trials[0].values is not None
    assert study.baseline["cpu_latency_ms"] > 0


@pytest.mark.usefixtures("lenient")
def test_latencies_are_reused_by_a_second_study(
    make_study: MakeStudy, wave: Any, twelve: SearchSpace, ledger: Ledger
) -> None:
    first = make_study("first", space=twelve, objectives=OBJECTIVES, target=TARGET)
    first.optimize(wave, 12, latency_protocol=FAST)
    before = rows(ledger)
    second = make_study("second", space=twelve, objectives=OBJECTIVES, target=TARGET, sampler="random")
    second.optimize(wave, 12, latency_protocol=FAST)
    assert rows(ledger) == before
    one, other = ({t.key: t.metrics for t in study.trials if t.attempts} for study in (first, second))
    assert len(one) == 12
    assert one == other


# By script


@pytest.mark.usefixtures("script")
def test_a_baseline_whose_latency_is_known_only_needs_its_quality(
    make_study: MakeStudy, counted: Any, ledger: Ledger
) -> None:
    make_study("first", objectives=OBJECTIVES, target=TARGET).optimize(counted.evaluator, 1)
    counted.version = "another"
    second = make_study("second", objectives=OBJECTIVES, target=TARGET)
    second.optimize(counted.evaluator, 1)
    assert len(counted.calls) == 2
    assert len(rows(ledger)) == 1
    assert second.baseline["latency_ms"] == 10.0


@pytest.mark.usefixtures("script")
def test_a_baseline_whose_quality_is_known_only_needs_its_latency(
    make_study: MakeStudy, counted: Any, ledger: Ledger
) -> None:
    make_study("first").optimize(counted.evaluator, 1)
    second = make_study("second", objectives=OBJECTIVES, target=TARGET)
    second.optimize(counted.evaluator, 1)
    assert len(counted.calls) == 1
    assert len(rows(ledger)) == 1


def test_a_disturbed_measurement_is_repeated_and_the_undisturbed_one_ranked(
    make_study: MakeStudy, wave: Any, script: type[Scripted], ledger: Ledger
) -> None:
    wide = {"flag": "contended", "half_width": 0.03}
    script.others = [measured(0.9, **wide), measured(0.8, **wide), measured(0.6)]
    study = make_study(objectives=OBJECTIVES, target=TARGET)
    study.optimize(wave, 2)
    assert study.trials[1].metrics["latency_ratio"] == 0.6
    assert study.trials[1].metrics["latency_is_quiet"] == 1.0
    assert study.trials[1].attempts == 1
    assert [record.quality_flag for record in rows(ledger)] == ["ok", "contended", "contended", "ok"]


@pytest.mark.parametrize(("ratio", "half_width"), [(0.9, 0.019), (0.02, 0.12)])
def test_a_disturbed_measurement_that_is_precise_is_flagged_and_not_repeated(
    make_study: MakeStudy, wave: Any, script: type[Scripted], ratio: float, half_width: float
) -> None:
    script.others = [measured(ratio, flag="contended", half_width=half_width), measured(0.6)]
    study = make_study(objectives=OBJECTIVES, target=TARGET)
    study.optimize(wave, 2)
    assert study.trials[1].metrics["latency_ratio"] == ratio
    assert study.trials[1].metrics["latency_is_quiet"] == 0.0


def test_what_stays_disturbed_is_ranked_where_its_ratio_is_known_well(
    make_study: MakeStudy, wave: Any, script: type[Scripted]
) -> None:
    widths = (0.06, 0.02, 0.04)
    script.others = [measured(0.5 + w, flag="contended", half_width=w) for w in widths]
    study = make_study(objectives=OBJECTIVES, target=TARGET)
    study.optimize(wave, 2)
    assert study.trials[1].metrics["latency_ratio"] == 0.52
    assert study.trials[1].metrics["latency_is_quiet"] == 0.0


def test_what_stays_unusable_fails_its_trial_and_is_kept_as_invalid(
    make_study: MakeStudy, wave: Any, script: type[Scripted], ledger: Ledger
) -> None:
    script.others = [measured(0.5, flag="contended", half_width=width) for width in (0.2, 0.21, 0.22)]
    study = make_study(objectives=OBJECTIVES, target=TARGET)
    study.optimize(wave, 2)
    study.optimize(wave, 3)
    failed = study.trials[1]
    assert failed.state is TrialState.FAILED
    assert failed.reason == (
        "timeout: latency: it stayed contended in 3 tries; run on a quieter machine, or measure longer"
    )
    assert [record.valid for record in rows(ledger)] == [True, False, False, False, True]


def test_the_undisturbed_calibration_counts(make_study: MakeStudy, wave: Any, script: type[Scripted]) -> None:
    script.full = [calibrated(90.0, flag="contended"), calibrated(12.0)]
    study = make_study(objectives=OBJECTIVES, target=TARGET)
    study.optimize(wave, 2)
    assert study.baseline["latency_ms"] == 12.0
    assert study.trials[1].metrics["latency_ms"] == 6.0


def test_a_latency_budget_that_the_smallest_breaks_ends_the_search_before_it_is_paid_for(
    make_study: MakeStudy, counted: Any, script: type[Scripted]
) -> None:
    script.others = [measured(0.4)]
    study = make_study(objectives=OBJECTIVES, target=TARGET, constraints=("latency_ms <= 3",))
    with pytest.raises(
        nas.InfeasibleError, match=r"the smallest has latency_ms = 3\.96, the full model 10"
    ) as e:
        study.optimize(counted.evaluator, 10)
    assert (e.value.binding, e.value.nearest) == ("latency_ms <= 3", "latency_ms = 3.96")
    assert len(counted.calls) == 1
    assert len(script.calls) == 2
    assert study.state is StudyState.FAILED


def test_a_latency_budget_within_the_smallests_uncertainty_is_searched_for(
    make_study: MakeStudy, counted: Any, script: type[Scripted]
) -> None:
    script.others = [measured(0.4, half_width=0.04)]
    study = make_study(objectives=OBJECTIVES, target=TARGET, constraints=("latency_ms <= 3.9",))
    study.optimize(counted.evaluator, 3)
    assert len(counted.calls) == 3


def test_the_smallests_measurement_serves_its_trial_too(
    make_study: MakeStudy, wave: Any, script: type[Scripted]
) -> None:
    study = make_study(
        objectives=OBJECTIVES, target=TARGET, constraints=("latency_ratio <= 0.9",), enqueue=("smallest",)
    )
    study.optimize(wave, 2)
    assert study.trials[1].origin == "seed:smallest"
    assert len(script.calls) == 2


def test_a_latency_that_cannot_be_measured_is_told(
    make_study: MakeStudy, wave: Any, script: type[Scripted]
) -> None:
    script.others = [RuntimeError("no such instruction")]
    study = make_study(objectives=OBJECTIVES, target=TARGET, constraints=("latency_ratio <= 0.9",))
    with pytest.raises(nas.EvaluationFailedError, match="latency cannot be measured: RuntimeError: no such"):
        study.optimize(wave, 5)


@pytest.mark.parametrize("lane", ["quality", "latency"])
def test_a_worker_that_one_lane_loses_costs_the_trial_an_attempt_and_the_other_lane_nothing(
    make_study: MakeStudy, counted: Any, script: type[Scripted], raising: Any, lane: str
) -> None:
    lost = nas.EvaluationFailedError("gone", "worker_lost")
    if lane == "quality":
        counted.at[2] = raising(lost)
    else:
        script.others = [measured(0.5), lost]
    study = make_study(objectives=OBJECTIVES, target=TARGET, enqueue=())
    study.optimize(counted.evaluator, 5)
    assert [trial.attempts for trial in study.trials if trial.values] == [1, 1, 2, 1, 1]
    assert len(counted.calls) == 5 + (lane == "quality")
    assert len(script.calls) == 5 + (lane == "latency")


class LatencyLast(Pool):
    """A serial pool that holds latency tasks back as long as there is quality to measure."""

    def __init__(self) -> None:
        self._inner = SerialPool()
        self._held: list[Task] = []

    def start(self, lanes: Mapping[LaneName, Lane], arrays: Mapping[str, np.ndarray]) -> None:
        self._inner.start(lanes, arrays)

    def submit(self, task: Task) -> None:
        if task.lane == "latency":
            self._held.append(task)
        else:
            self._inner.submit(task)

    def wait(self, timeout_s: float) -> list[Completion]:
        if not self._inner.in_flight and self._held:
            self._inner.submit(self._held.pop(0))
        return self._inner.wait(timeout_s)

    def free(self, lane: LaneName) -> int:
        return self._inner.free(lane)

    @property
    def in_flight(self) -> int:
        return self._inner.in_flight + len(self._held)

    def worker_ids(self) -> Sequence[str]:  # type: ignore[override]  # a list, as the inner pool's
        return self._inner.worker_ids()

    def close(self) -> None:
        self._held.clear()
        self._inner.close()


def test_the_late_latency_of_a_failed_trial_is_ignored(
    make_study: MakeStudy, counted: Any, script: type[Scripted]
) -> None:
    counted.at[2] = lambda: "nonsense"
    script.others = [measured(0.1 * number) for number in range(1, 6)]
    study = make_study(objectives=OBJECTIVES, target=TARGET)
    study.optimize(counted.evaluator, 5, workers=LatencyLast())
    failed = study.trials[2]
    assert failed.state is TrialState.FAILED
    assert "latency_ms" not in failed.metrics
    ratios = [trial.metrics.get("latency_ratio") for trial in study.trials[:5]]
    assert ratios == [1.0, pytest.approx(0.1), None, pytest.approx(0.3), pytest.approx(0.4)]
    assert len(script.calls) == 5


def test_an_interrupted_search_measures_no_shape_again(
    make_study: MakeStudy, counted: Any, script: type[Scripted], raising: Any
) -> None:
    counted.at[3] = raising(KeyboardInterrupt())
    study = make_study(objectives=OBJECTIVES, target=TARGET)
    with pytest.raises(KeyboardInterrupt):
        study.optimize(counted.evaluator, 8)
    study.optimize(counted.evaluator, 8)
    assert len(script.calls) == 8
    assert len(counted.calls) == 9
