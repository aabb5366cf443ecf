"""Measuring a plan on a device that has neither Ray nor the checkpoint."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from nas.errors import ConfigError
from nas.evaluation import Target
from nas.supernet import Supernet
from nas.targets.bench import TRIES, bench_plan, measure, on_device
from nas.targets.importing import import_results
from nas.targets.plan import Plan
from nas.targets.results import Measurement, ResultsFile, read_results
from search_spaces import SubnetConfig
from storage import Ledger
from workers import LatencyProtocol

BENCH = """
import sys
sys.modules["ray"] = None
from pathlib import Path
from nas.targets.bench import bench_plan
from nas.targets.plan import Plan
bench_plan(Plan.read(Path(sys.argv[1])), Path(sys.argv[2]))
"""


def environment() -> dict[str, str]:
    root = str(Path(__file__).parents[3])
    return {**os.environ, "PYTHONPATH": root, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}


def test_the_full_model_is_measured_first(measured: Path, plan: Plan) -> None:
    assert read_results(measured).measurements[0].shape_key == plan.full


def test_a_finished_file_is_not_measured_again(results: Path, plan: Plan) -> None:
    before = results.read_bytes()
    report = bench_plan(plan, results)
    assert report.measured == 0
    assert report.found == len(read_results(results).measurements)
    assert results.read_bytes() == before


def test_results_of_another_number_of_threads_are_not_mixed(results: Path, plan: Plan) -> None:
    with pytest.raises(ConfigError, match="another device, or number of threads"):
        bench_plan(plan, results, threads=2)


def test_results_of_another_plan_are_not_mixed(
    results: Path, supernet: Supernet, some: list[SubnetConfig], planned: Callable[..., Plan]
) -> None:
    with pytest.raises(ConfigError, match="another plan"):
        bench_plan(planned(supernet, some[:1]), results)


def test_the_device_keeps_the_workload_when_it_takes_other_threads(target: Target) -> None:
    moved = on_device(target, threads=3)
    assert moved.threads == 3
    assert moved.workload_sha256 == target.workload_sha256
    assert moved.fingerprint().id != target.fingerprint().id


def test_a_contended_shape_is_tried_again_but_not_for_ever(plan: Plan, measured: Path) -> None:
    by_key = {own.shape_key: own for own in read_results(measured).measurements}
    calls: list[object] = []

    def worker(payload: Any) -> Any:
        calls.append(payload)
        key = plan.full if payload is None else shape_key_of(plan, payload)
        figures = by_key[key].statistics
        flag = "contended" if payload is not None and len(calls) < 20 else "ok"
        return Measured(figures, flag)

    taken = list(measure(plan, worker))
    assert calls.count(None) == 1
    assert len(taken) == 1 + TRIES * len(plan.shapes)


def shape_key_of(plan: Plan, payload: Any) -> str:
    return next(key for key, config in plan.shapes.items() if config.to_json() == payload)


class Measured:
    """A worker's answer."""

    def __init__(self, statistics: Any, flag: str) -> None:
        self.statistics, self.flag, self.samples, self.device = statistics, flag, b"", {}


@pytest.mark.slow
def test_a_device_without_ray_and_checkpoint_measures_a_plan(
    plan: Plan, plan_file: Path, tmp_path: Path, ledger: Ledger, target: Target
) -> None:
    path = tmp_path / "device.jsonl"
    subprocess.run(
        [sys.executable, "-c", BENCH, plan_file, path], check=True, env=environment(), cwd=tmp_path
    )
    import_results(path, ledger)
    stored = ledger.latencies(include_invalid=True)
    file = read_results(path)
    assert [(r.shape_key, dict(r.statistics), r.samples, r.quality_flag) for r in stored] == [
        (m.shape_key, dict(m.statistics), m.samples, m.flag) for m in file.measurements
    ]
    assert {record.target for record in stored} == {target.fingerprint().id}
    assert {record.shape_key for record in stored} == {plan.full, *plan.shapes}


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was(
    supernet: Supernet, some: list[SubnetConfig], planned: Callable[..., Plan], tmp_path: Path
) -> None:
    slow = LatencyProtocol(warmup_s=0.0, min_pairs=100_000, max_seconds=0.5, min_cpu_share=0.001)
    plan_path, path = tmp_path / "plan.json", tmp_path / "device.jsonl"
    planned(supernet, some, slow).write(plan_path)
    process = subprocess.Popen([sys.executable, "-c", BENCH, plan_path, path], env=environment())
    while process.poll() is None and (not path.exists() or path.read_bytes().count(b"\n") < 3):
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = path.read_bytes()
    path.write_bytes(before + b'{"shape_key": "cut sh')
    kept = len(read_results(path).measurements)
    kept_plan = Plan.read(plan_path)
    report = bench_plan(kept_plan, path)
    assert report.found == kept
    assert path.read_bytes().startswith(before)
    assert {own.shape_key for own in read_results(path).measurements} == {kept_plan.full, *kept_plan.shapes}


def test_a_disk_line_is_there_when_append_returns(results: Path, plan: Plan, tmp_path: Path) -> None:
    file = read_results(results)
    path = tmp_path / "new.jsonl"
    with ResultsFile(path, file.header) as opened:
        for measurement in file.measurements:
            opened.append(Measurement.from_json(measurement.to_json(), "a line"))
            assert read_results(path).measurements[-1] == measurement


def test_measuring_needs_no_ray_and_no_database() -> None:
    code = (
        "import sys, nas.targets.bench, nas.targets.plan\n"
        "sys.exit(bool({'ray', 'sqlalchemy', 'optuna'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=environment())
