"""Bringing results back: what is stored, and what is refused with its reason."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.errors import ConfigError
from nas.evaluation import Target
from nas.supernet import Supernet
from nas.targets.bench import bench_plan
from nas.targets.documents import canonical, signed
from nas.targets.importing import import_results
from nas.targets.plan import Plan
from nas.targets.results import read_results
from storage import Ledger
from workers import LatencyProtocol


def test_an_import_stores_every_measurement(
    results: Path, ledger: Ledger, plan: Plan, target: Target
) -> None:
    report = import_results(results, ledger)
    assert report.added == len(read_results(results).measurements)
    assert report.planned == len(plan.shapes) + 1
    stored = ledger.latencies(target=report.device_id, workload_sha256=target.workload_sha256)
    assert {record.shape_key for record in stored} <= {plan.full, *plan.shapes}
    assert report.shapes == len({record.shape_key for record in stored})


def test_importing_twice_adds_nothing(results: Path, ledger: Ledger) -> None:
    first = import_results(results, ledger)
    again = import_results(results, ledger)
    assert (again.added, again.repeated) == (0, first.added)
    assert len(ledger.latencies(include_invalid=True)) == first.added


def test_a_file_that_was_cut_short_is_completed_later(results: Path, ledger: Ledger) -> None:
    whole = results.read_bytes()
    lines = whole.splitlines(keepends=True)
    results.write_bytes(b"".join(lines[:2]) + lines[2][:30])
    assert import_results(results, ledger).added == 1
    results.write_bytes(whole)
    assert import_results(results, ledger).added == len(lines) - 2


def test_a_plan_of_another_database_is_unknown(results: Path, tmp_path: Path) -> None:
    with (
        Ledger.open(f"sqlite:///{tmp_path / 'other.db'}") as other,
        pytest.raises(ConfigError, match="--plan"),
    ):
        import_results(results, other)


def test_a_plan_can_be_given_by_hand(results: Path, plan: Plan, tmp_path: Path) -> None:
    with Ledger.open(f"sqlite:///{tmp_path / 'other.db'}") as other:
        assert import_results(results, other, plan=plan).added > 0


def test_a_ratio_of_processor_time_is_believed_where_the_processor_was_lacking(
    supernet: Supernet, planned: Callable[..., Plan], fast: LatencyProtocol, tmp_path: Path
) -> None:
    plan = planned(supernet, protocol=replace(fast, min_cpu_share=0.999999))
    path = tmp_path / "contended.jsonl"
    bench_plan(plan, path)
    with Ledger.open(f"sqlite:///{tmp_path / 'other.db'}") as other:
        import_results(path, other, plan=plan)
        stored = [r for r in other.latencies(include_invalid=True) if "ratio" in r.statistics]
    assert {record.statistics["is_cpu_ratio"] for record in stored} == {1.0}


# Poisoned files


def rewritten(results: Path, change: Callable[[dict[str, Any]], None], *, line: int = -1) -> None:
    """Change one line and give it a hash that fits."""
    lines = results.read_text().splitlines()
    record = json.loads(lines[line])
    del record["sha256"]
    change(record)
    lines[line] = canonical(signed(record))
    results.write_text("\n".join(lines) + "\n")


def figures(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda record: record["statistics"].update(changes)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda record: record.update(shape_key="0" * 32), "not in the plan"),
        (lambda record: record.update(shape_key="../../etc/passwd"), "not in the plan"),
        (lambda record: record.update(flag="fine"), "flag 'fine'"),
        (lambda record: record.update(more=1), "unknown key 'more'"),
        (lambda record: record.pop("flag"), "lacks 'flag'"),
        (lambda record: record.update(samples="AAAA"), "no rows of float32"),
        (lambda record: record.update(samples="%%"), "not base64"),
        (lambda record: record.update(samples=""), "samples of 0 pairs"),
        (figures(ratio=0.001), "by its samples"),
        (figures(ratio_low=0.0), "by its samples"),
        (figures(ratio=-1.0), "allowed are numbers from 0"),
        (figures(ratio="0.5"), "allowed are numbers from 0"),
        (figures(ratio=True), "allowed are numbers from 0"),
        (figures(ratio=10**400), "allowed are numbers from 0"),
        (figures(num_pairs=2.0), "samples of"),
        (figures(reference_ms=3.0), "only the full model"),
        (figures(cpu_share=0.0), "0% of the processor"),
        (figures(is_cpu_ratio=1.0), "is_cpu_ratio = 1, by its samples it is 0"),
        (figures(wall_ratio=0.001), "wall_ratio outside"),
        (figures(cpu_ratio_high=1e9), "by its samples"),
        (figures(prefill_ratio=0.5), "without one"),
        (lambda record: record.update(state={"during": {}}), "named 'during'"),
        (lambda record: record.update(state={"before": {"clock": {}}}), "no number or short text"),
        (lambda record: record.update(state={"after": {"clock": "x" * 1000}}), "no number or short text"),
        (figures(**{"a figure": 1.0}), "named 'a figure'"),
        (figures(**{f"figure_{i}": 1.0 for i in range(200)}), "figures; allowed are"),
    ],
)
def test_a_poisoned_measurement_is_refused_with_its_reason(
    results: Path, ledger: Ledger, change: Callable[[dict[str, Any]], None], reason: str
) -> None:
    rewritten(results, change)
    with pytest.raises(ConfigError, match=reason):
        import_results(results, ledger)
    assert ledger.latencies(include_invalid=True) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (figures(reference_ms=1e9), "outside its interval"),
        (figures(reference_ms=1e9, reference_low_ms=1e9, reference_high_ms=1e9), "by its samples"),
        (figures(ratio=1.0), "which the full model has not"),
        (lambda record: record["statistics"].pop("reference_ms"), "no reference_ms"),
    ],
)
def test_a_poisoned_reference_is_refused(
    results: Path, ledger: Ledger, change: Callable[[dict[str, Any]], None], reason: str
) -> None:
    rewritten(results, change, line=1)
    with pytest.raises(ConfigError, match=reason):
        import_results(results, ledger)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda record: record.update(workload_sha256="0" * 64), "another workload"),
        (lambda record: record.update(device_id="0" * 16), "by its fields"),
        (lambda record: record["device"].update(cpu="another"), "by its fields"),
        (lambda record: record["device"].update(owner="me"), "no fingerprint"),
        (lambda record: record["device"].update(threads={"a": 1}), "no fingerprint"),
        (lambda record: record.update(plan_sha256="0" * 64), "no plan 0000"),
        (lambda record: record.update(format="pickle"), "format"),
        (lambda record: record["versions"].update(torch="\x1b[31m"), "no short texts"),
        (lambda record: record.update(versions={str(i): "1" for i in range(99)}), "no short texts"),
    ],
)
def test_a_poisoned_first_line_is_refused(
    results: Path, ledger: Ledger, change: Callable[[dict[str, Any]], None], reason: str
) -> None:
    rewritten(results, change, line=0)
    with pytest.raises(ConfigError, match=reason):
        import_results(results, ledger)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 0.0])
def test_samples_that_no_clock_measures_are_refused(results: Path, ledger: Ledger, value: float) -> None:
    def change(record: dict[str, Any]) -> None:
        rows = np.frombuffer(base64.b64decode(record["samples"]), "<f4").copy()
        rows[0] = value
        record["samples"] = base64.b64encode(rows.tobytes()).decode()

    rewritten(results, change)
    with pytest.raises(ConfigError, match="which no clock measures"):
        import_results(results, ledger)


@pytest.mark.parametrize(
    "text", ["NaN", '{"a": 1e400}', '{"a": NaN}', "[" * 100_000, '{"a": 1, "a": 2}', "[]", "\x80\x04.", "{}"]
)
def test_what_is_no_plain_json_is_refused(results: Path, ledger: Ledger, text: str) -> None:
    results.write_text(results.read_text() + text + "\n", encoding="latin-1")
    with pytest.raises(ConfigError):
        import_results(results, ledger)


def test_a_flipped_bit_is_noticed(results: Path, ledger: Ledger) -> None:
    data = bytearray(results.read_bytes())
    data[len(data) // 2] ^= 1
    results.write_bytes(bytes(data))
    with pytest.raises(ConfigError):
        import_results(results, ledger)


def test_a_file_that_is_too_large_is_not_read(
    results: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.targets.documents.MAX_BYTES", 100)
    with pytest.raises(ConfigError, match="more than 100 bytes"):
        import_results(results, ledger)


def test_results_without_the_full_model_are_refused(results: Path, ledger: Ledger, plan: Plan) -> None:
    header, *lines = results.read_text().splitlines()
    kept = [line for line in lines if plan.full not in line]
    results.write_text("\n".join([header, *kept]) + "\n")
    with pytest.raises(ConfigError, match="lack the full model"):
        import_results(results, ledger)
