"""A target on another node: a slot of its own, and the device that the worker tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any, ClassVar

import numpy as np
import pytest

from nas.errors import EvaluationFailedError, NasError
from nas.evaluation import LatencyEvaluation, LatencyResult, Skeleton, Target
from nas.study import Study
from storage import Ledger
from workers import Completion, DeviceFingerprint, Lane, LaneName, PairedSamples, Pool, SerialPool, Task

MakeStudy = Callable[..., Study]
OBJECTIVES = ("max accuracy", "min latency_ms")
TARGET = Target(name="edge", sequence_length=8, labels={"device": "edge"})
EDGE = replace(Target().fingerprint(), cpu="Edge CPU")
OTHER = replace(EDGE, cpu="Another CPU")


class Remote(LatencyEvaluation):
    """A latency lane on another machine; every calibration takes a millisecond longer than the last."""

    devices: ClassVar[list[DeviceFingerprint]] = []
    calibrations: ClassVar[list[float]] = []

    def factory(self, skeleton: Skeleton) -> Any:
        return lambda arrays: self._answer

    def _answer(self, payload: Mapping[str, Any] | None) -> LatencyResult:
        device = self.devices.pop(0) if self.devices else EDGE
        row = np.full(5, 5.0, np.float32)
        names = ("candidate_wall_ms", "reference_wall_ms", "candidate_cpu_ms", "reference_cpu_ms")
        samples = PairedSamples(**dict.fromkeys(names, row)).to_bytes()
        figures = {"ratio": 0.5, "ratio_low": 0.495, "ratio_high": 0.505}
        if payload is None:
            self.calibrations.append(10.0 + len(self.calibrations))
            ms = self.calibrations[-1]
            figures = {"reference_ms": ms, "reference_low_ms": ms - 0.1, "reference_high_ms": ms + 0.1}
        return LatencyResult(statistics=figures, samples=samples, flag="ok", device=asdict(device))


@pytest.fixture(autouse=True)
def remote(monkeypatch: pytest.MonkeyPatch) -> type[Remote]:
    Remote.devices, Remote.calibrations = [], []
    monkeypatch.setattr("nas.study.study.LatencyEvaluation", Remote)
    return Remote


class Elsewhere(Pool):
    """A serial pool that says to be another machine, and keeps the lanes that it was started with."""

    def __init__(self) -> None:
        self._inner = SerialPool()
        self.lanes: dict[LaneName, Lane] = {}

    def start(self, lanes: Mapping[LaneName, Lane], arrays: Any) -> None:
        self.lanes = dict(lanes)
        here = {name: replace(lane, labels={}) for name, lane in lanes.items()}
        self._inner.start(here, arrays)

    def submit(self, task: Task) -> None:
        self._inner.submit(task)

    def wait(self, timeout_s: float) -> list[Completion]:
        return self._inner.wait(timeout_s)

    def free(self, lane: LaneName) -> int:
        return self._inner.free(lane)

    @property
    def in_flight(self) -> int:
        return self._inner.in_flight

    def worker_ids(self) -> list[str]:
        return self._inner.worker_ids()

    def close(self) -> None:
        self._inner.close()


def test_a_labelled_target_is_measured_on_its_node_by_one_search_at_a_time(
    make_study: MakeStudy, wave: Any
) -> None:
    pool = Elsewhere()
    make_study(objectives=OBJECTIVES, target=TARGET).optimize(wave, 2, workers=pool)
    lane = pool.lanes["latency"]
    assert lane.labels == {"device": "edge"}
    assert lane.resources == {"latency_slot": 1.0}
    assert lane.exclusive


def test_a_target_anywhere_needs_no_slot(make_study: MakeStudy, wave: Any) -> None:
    pool = Elsewhere()
    make_study(objectives=OBJECTIVES, target=replace(TARGET, labels={})).optimize(wave, 2, workers=pool)
    lane = pool.lanes["latency"]
    assert (dict(lane.labels), dict(lane.resources), lane.exclusive) == ({}, {}, False)


def test_measurements_are_filed_under_the_workers_device(
    make_study: MakeStudy, wave: Any, ledger: Ledger
) -> None:
    make_study(objectives=OBJECTIVES, target=TARGET).optimize(wave, 2, workers=Elsewhere())
    assert {record.target for record in ledger.latencies()} == {EDGE.id}


def test_a_search_that_goes_on_keeps_the_full_models_milliseconds(
    make_study: MakeStudy, wave: Any, remote: type[Remote]
) -> None:
    study = make_study(objectives=OBJECTIVES, target=TARGET)
    study.optimize(wave, 2, workers=Elsewhere())
    study.optimize(wave, 3, workers=Elsewhere())
    assert len(remote.calibrations) == 2  # the second only told which device it is
    assert [trial.metrics["latency_ms"] for trial in study.trials[:3]] == [10.0, 5.0, 5.0]


def test_a_search_whose_node_was_exchanged_for_another_kind_ends(
    make_study: MakeStudy, wave: Any, remote: type[Remote]
) -> None:
    remote.devices = [EDGE, OTHER]
    study = make_study(objectives=OBJECTIVES, target=TARGET)
    with pytest.raises(EvaluationFailedError, match=r"\(Another CPU\) measured for it"):
        study.optimize(wave, 3, workers=Elsewhere())


def test_a_serial_pool_cannot_reach_another_node(make_study: MakeStudy, wave: Any) -> None:
    study = make_study(objectives=OBJECTIVES, target=TARGET)
    with pytest.raises(NasError, match=r"a node with the labels \{'device': 'edge'\}, but a serial pool"):
        study.optimize(wave, 2, workers=SerialPool())


def test_a_study_may_go_on_when_its_node_has_other_labels(make_study: MakeStudy, wave: Any) -> None:
    make_study(objectives=OBJECTIVES, target=TARGET).optimize(wave, 2, workers=Elsewhere())
    moved = replace(TARGET, labels={"device": "renamed"})
    study = make_study(objectives=OBJECTIVES, target=moved, load_if_exists=True)
    study.optimize(wave, 3, workers=Elsewhere())
    assert len([trial for trial in study.trials if trial.values is not None]) == 3
