"""Which device a study's latencies are of, and how they become metrics."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest

from nas.errors import ConfigError, EvaluationFailedError
from nas.evaluation import Target
from nas.study.latency_metrics import OPTIMISTIC, figures_at
from nas.study.measuring_device import MeasuringDevice
from workers import DeviceFingerprint

HERE = Target().fingerprint()
EDGE = replace(HERE, cpu="Edge CPU", logical_cores=4)
LABELLED = Target(labels={"device": "edge"})


def record(device: DeviceFingerprint) -> dict[str, Any]:
    """As the ledger keeps it, with other facts beside it."""
    return {**asdict(device), "cpu_features": list(device.cpu_features), "before": {"power_w": 9.5}}


def test_without_labels_it_is_taken_for_this_machine() -> None:
    device = MeasuringDevice(Target())
    assert device.id == HERE.id
    assert device.measured_by(record(HERE)) == HERE.id


def test_behind_labels_it_is_not_known_before_something_was_measured() -> None:
    device = MeasuringDevice(LABELLED)
    assert device.id is None
    assert device.measured_by(record(EDGE)) == EDGE.id == device.id


def test_a_device_that_this_process_lacks_is_not_known_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert MeasuringDevice(Target(device="cuda:0")).id is None


def test_a_lane_on_another_machine_is_believed_at_first() -> None:
    device = MeasuringDevice(Target())
    assert device.measured_by(record(EDGE)) == EDGE.id


def test_a_lane_that_moves_to_another_kind_of_machine_is_refused() -> None:
    device = MeasuringDevice(LABELLED)
    device.measured_by(record(EDGE))
    with pytest.raises(
        EvaluationFailedError, match="give the target labels that only nodes of one kind have"
    ):
        device.measured_by(record(HERE))


def test_a_lane_on_another_machine_is_refused_once_stored_latencies_of_this_one_were_used() -> None:
    device = MeasuringDevice(Target())
    device.rely()
    with pytest.raises(EvaluationFailedError, match=f"was device {HERE.id}, and now device {EDGE.id}"):
        device.measured_by(record(EDGE))


# Metrics

PAIR = {"ratio": 0.5, "ratio_low": 0.45, "ratio_high": 0.55}
PREFILL = {"prefill_ratio": 0.4, "prefill_ratio_low": 0.3, "prefill_ratio_high": 0.5}
GENERATING = Target(decode_length=10, batch_size=2)


def test_milliseconds_are_the_ratio_times_the_full_models() -> None:
    figures = figures_at(PAIR, 200.0, float("nan"), Target())
    assert figures["latency_ms"] == 100.0
    assert "time_to_first_token_ms" not in figures


def test_figures_of_generation_are_ratios_times_the_full_models() -> None:
    figures = figures_at({**PAIR, **PREFILL}, 200.0, 50.0, GENERATING)
    assert figures["time_to_first_token_ms"] == 20.0
    assert figures["time_per_output_token_ms"] == pytest.approx((100 - 20) / 10)
    assert figures["tokens_per_second"] == pytest.approx(125.0)
    assert figures["batch_tokens_per_second"] == pytest.approx(250.0)


def test_optimistic_figures_are_no_worse_than_either_interval_allows() -> None:
    figures = figures_at({**PAIR, **PREFILL}, 200.0, 50.0, GENERATING, end=OPTIMISTIC)
    assert figures["latency_ms"] == 90.0
    assert figures["time_to_first_token_ms"] == 15.0
    assert figures["time_per_output_token_ms"] == pytest.approx((90 - 25) / 10)


def test_the_full_model_is_its_own_reference() -> None:
    calibration = {"reference_ms": 200.0, "time_to_first_token_ms": 50.0, "peak_memory_bytes": 1e6}
    figures = figures_at(calibration, float("nan"), float("nan"), GENERATING)
    assert (figures["latency_ms"], figures["latency_ratio"]) == (200.0, 1.0)
    assert figures["time_per_output_token_ms"] == 15.0
    assert figures["peak_memory_bytes"] == 1e6


def test_memory_and_energy_are_metrics_where_they_were_measured() -> None:
    told = {"peak_memory_bytes": 3e6, "energy_joules": 0.02}
    assert told.items() <= figures_at({**PAIR, **told}, 200.0, 50.0, Target()).items()
    assert not told.keys() & figures_at(PAIR, 200.0, 50.0, Target()).keys()


def test_metrics_of_generation_need_generated_tokens() -> None:
    with pytest.raises(ConfigError, match="tokens_per_second needs generated tokens, but decode_length of"):
        Target().check_metrics(["latency_ms", "tokens_per_second"])
    GENERATING.check_metrics(["latency_ms", "tokens_per_second"])
