from __future__ import annotations

import nas
from storage import LatencyRecord, TrialState


def measure(study, flag, *, valid=True):
    record = LatencyRecord(
        shape_key="shape",
        target="device",
        workload_sha256=study.study.spec.target.workload_sha256,
        statistics={"ratio": 0.5, "ratio_low": 0.4, "ratio_high": 0.6},
        quality_flag=flag,
        device={"cpu": "a processor", "gpu_names": [], "cpu_features": ["avx2", "fma"]},
        valid=valid,
    )
    study.ledger.put_latency(record)


def test_wall_times_of_finished_evaluations_are_added_up(write, text_of):
    study = write()
    study.full()
    study.add({"accuracy": 0.5}, seconds=3.5)
    study.add(None, state=TrialState.FAILED)
    text = text_of(study.document, "costs")
    assert (
        "Evaluations: 2 finished, 5.5 s of workers' wall time; 1 failed, whose time is not recorded" in text
    )


def test_latency_measurements_are_counted_with_the_contended_and_the_unusable(write, text_of):
    study = write(objectives=("max accuracy", "min latency_ms"), target=nas.Target.local(sequence_length=16))
    study.full(accuracy=0.9, latency_ms=2.0, latency_is_quiet=1.0)
    study.add({"accuracy": 0.8, "latency_ms": 1.0, "latency_is_quiet": 0.0})
    for flag, valid in (("ok", True), ("contended", True), ("contended", False)):
        measure(study, flag, valid=valid)
    text = text_of(study.document, "costs")
    assert "of 2 sub-networks, 1 of them contended" in text
    assert "2 contended, 1 ok, 1 too imprecise to be used" in text


def test_the_device_of_the_target_is_told_without_what_is_empty(write, text_of):
    study = write(objectives=("max accuracy", "min latency_ms"), target=nas.Target.local(sequence_length=16))
    measure(study, "ok")
    assert "Device of the target: cpu a processor, cpu_features avx2 fma" in text_of(
        study.document, "environment"
    )


def test_a_study_without_a_target_measures_no_latency(write, text_of):
    assert "Latency: not measured: the study has no target" in text_of(write().document, "costs")
