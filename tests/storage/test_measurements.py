from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from storage import LatencyRecord, Ledger, QualityRecord

SHA = "a" * 64


def quality(**changes: object) -> QualityRecord:
    record = QualityRecord(
        supernet_sha256=SHA, key="k", data_sha256=SHA, stage=64, metrics={"accuracy": 0.5}, seconds=1.5
    )
    return dataclasses.replace(record, **changes)  # type: ignore[arg-type]


def latency(median_ms: float = 2.0, **changes: object) -> LatencyRecord:
    record = LatencyRecord(
        shape_key="s",
        target="cpu-1",
        workload_sha256=SHA,
        statistics={"median_ms": median_ms},
        quality_flag="ok",
        device={"cpu": "x", "threads": 1},
        valid=True,
    )
    return dataclasses.replace(record, **changes)  # type: ignore[arg-type]


def medians(records: list[LatencyRecord]) -> list[float]:
    return [record.statistics["median_ms"] for record in records]


def test_quality_is_read_back_with_the_score_of_each_example(ledger: Ledger) -> None:
    scores = np.arange(64, dtype=np.float32).tobytes()
    stored = quality(per_example=scores)
    assert ledger.put_quality(stored)
    assert ledger.quality(SHA, "k", SHA, 64) == stored


def test_the_first_quality_wins(ledger: Ledger) -> None:
    assert ledger.put_quality(quality(metrics={"accuracy": 0.5}))
    assert not ledger.put_quality(quality(metrics={"accuracy": 0.9}))
    kept = ledger.quality(SHA, "k", SHA, 64)
    assert kept is not None
    assert kept.metrics == {"accuracy": 0.5}


@pytest.mark.parametrize("other", [{"stage": 128}, {"key": "j"}, {"data_sha256": "b" * 64}])
def test_quality_is_known_for_its_stage_and_data_only(ledger: Ledger, other: dict[str, object]) -> None:
    ledger.put_quality(quality(**other))
    assert ledger.quality(SHA, "k", SHA, 64) is None


def test_all_stages_of_a_sub_network_are_listed_by_rising_stage(ledger: Ledger) -> None:
    stages = [quality(stage=stage, per_example=bytes(stage)) for stage in (128, 9, 32)]
    for record in stages:
        ledger.put_quality(record)
    for other in ({"key": "j"}, {"data_sha256": "b" * 64}, {"supernet_sha256": "b" * 64}):
        ledger.put_quality(quality(**other))
    assert ledger.quality_stages(SHA, "k", SHA) == [stages[1], stages[2], stages[0]]


def test_a_sub_network_that_was_never_evaluated_has_no_stages(ledger: Ledger) -> None:
    assert ledger.quality_stages(SHA, "k", SHA) == []


@pytest.mark.parametrize("wrong", [{"metrics": {"a": float("nan")}}, {"seconds": float("inf")}, {"stage": 0}])
def test_a_quality_that_is_not_finite_is_refused(ledger: Ledger, wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"allowed is a finite number|at least 1"):
        ledger.put_quality(quality(**wrong))
    assert ledger.quality(SHA, "k", SHA, 64) is None


def test_the_newest_valid_latency_counts(ledger: Ledger) -> None:
    ledger.put_latency(latency(1.0))
    ledger.put_latency(latency(2.0, samples=b"\x00\x01"))
    ledger.put_latency(latency(9.0, valid=False, quality_flag="contended"))
    newest = ledger.latency("s", "cpu-1", SHA)
    assert newest is not None
    assert newest == latency(2.0, samples=b"\x00\x01", created_at=newest.created_at)
    assert newest.created_at is not None


def test_a_latency_that_was_only_measured_badly_is_unknown(ledger: Ledger) -> None:
    ledger.put_latency(latency(valid=False))
    assert ledger.latency("s", "cpu-1", SHA) is None


def test_a_latency_is_known_for_its_target_and_workload_only(ledger: Ledger) -> None:
    ledger.put_latency(latency())
    assert ledger.latency("s", "cpu-2", SHA) is None
    assert ledger.latency("s", "cpu-1", "b" * 64) is None


def test_latencies_are_listed_as_they_came_and_invalid_ones_on_demand(ledger: Ledger) -> None:
    ledger.put_latency(latency(1.0))
    ledger.put_latency(latency(2.0, valid=False))
    ledger.put_latency(latency(3.0, target="cpu-2"))
    ledger.put_latency(latency(4.0, workload_sha256="b" * 64))
    assert medians(ledger.latencies()) == [1.0, 3.0, 4.0]
    assert medians(ledger.latencies(include_invalid=True)) == [1.0, 2.0, 3.0, 4.0]
    assert medians(ledger.latencies(target="cpu-1", workload_sha256=SHA)) == [1.0]


def test_a_latency_that_is_not_finite_is_refused(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="median_ms"):
        ledger.put_latency(latency(float("inf")))
    assert ledger.latencies(include_invalid=True) == []
