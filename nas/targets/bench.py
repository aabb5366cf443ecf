"""Measuring a plan on the device at hand: no Ray, no checkpoint, no database."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from nas.evaluation import LatencyEvaluation, LatencyResult, Skeleton, Target
from nas.progress import Progress, no_progress
from nas.targets.plan import Plan
from nas.targets.results import Header, Measurement, ResultsFile

#: A measurement that others disturbed, or that is too imprecise to rank by, is tried so often.
TRIES: Final = 3
_PACKAGES: Final = ("subnas", "torch", "transformers", "onnxruntime", "openvino")

Worker = Callable[[Mapping[str, Any] | None], LatencyResult]


@dataclass(frozen=True, kw_only=True)
class BenchReport:
    """What a run left in its results file.

    Attributes:
        shapes: of the plan, the full model among them.
        measured: measurements of this run.
        found: measurements that earlier runs had left.
        disturbed: shapes whose last measurement cannot be ranked by.
    """

    device_id: str
    shapes: int
    measured: int
    found: int
    disturbed: int


def on_device(target: Target, *, device: str | None = None, threads: int | None = None) -> Target:
    """The target's workload on this machine, on another device or number of threads if given."""
    moved = target if device is None else replace(target, device=device)
    return moved if threads is None else replace(moved, threads=threads)


def bench_plan(
    plan: Plan,
    path: Path,
    *,
    device: str | None = None,
    threads: int | None = None,
    progress: Progress = no_progress,
) -> BenchReport:
    """Measure what a plan asks for and the results file does not have yet.

    Args:
        plan: what to measure.
        path: of the results; an earlier run's file goes on.
        device: torch device in place of the plan's.
        threads: in place of the plan's.
        progress: told after each measurement.

    Raises:
        ConfigError: the model cannot be built here, or the file has results of another plan or device.
        TargetUnavailableError: the device or the runtime is not there.
    """
    target = on_device(plan.target, device=device, threads=threads)
    header = header_of(plan, target)
    skeleton = plan.skeleton()
    with ResultsFile(path, header) as file:
        worker = worker_of(plan, target, skeleton)
        measured = 0
        last = {own.shape_key: is_rankable(own) for own in file.found}
        for measurement in measure(plan, worker, found=file.found, progress=progress):
            file.append(measurement)
            last[measurement.shape_key] = is_rankable(measurement)
            measured += 1
    return BenchReport(
        device_id=header.device_id,
        shapes=len(plan.shapes) + 1,
        measured=measured,
        found=len(file.found),
        disturbed=sum(not is_good for is_good in last.values()),
    )


def worker_of(plan: Plan, target: Target, skeleton: Skeleton) -> Worker:
    """What measures a plan's shapes in this process."""
    worker: Worker = LatencyEvaluation(target=target, protocol=plan.protocol).factory(skeleton)({})
    return worker


def header_of(plan: Plan, target: Target) -> Header:
    """What a results file of this device says of it."""
    fingerprint = target.fingerprint()
    return Header(
        plan_sha256=plan.sha256,
        workload_sha256=target.workload_sha256,
        device_id=fingerprint.id,
        device=asdict(fingerprint),
        versions=_versions(),
    )


def measure(
    plan: Plan, worker: Worker, *, found: Iterable[Measurement] = (), progress: Progress = no_progress
) -> Iterator[Measurement]:
    """Measure each shape of a plan, the full model first, until it is undisturbed or was tried enough.

    Args:
        plan: what to measure.
        worker: measures a sub-network's JSON, or the full model for None.
        found: measurements that count already.
        progress: told of shapes that are finished.
    """
    tries: dict[str, list[Measurement]] = {}
    for own in found:
        tries.setdefault(own.shape_key, []).append(own)
    payloads = {plan.full: None} | {key: config.to_json() for key, config in plan.shapes.items()}
    for done, (key, payload) in enumerate(payloads.items()):
        progress(done, len(payloads), _said(tries))
        taken = tries.setdefault(key, [])
        while len(taken) < TRIES and not (taken and _is_settled(taken[-1])):
            taken.append(Measurement.of(key, worker(payload)))
            yield taken[-1]
    progress(len(payloads), len(payloads), _said(tries))


def is_rankable(measurement: Measurement) -> bool:
    """Whether its ratio is known well enough to rank by."""
    return LatencyResult(
        statistics=measurement.statistics, samples=b"", flag=measurement.flag, device={}
    ).is_usable


def _is_settled(measurement: Measurement) -> bool:
    is_reference = "ratio" not in measurement.statistics
    return is_rankable(measurement) and not (is_reference and measurement.flag == "contended")


def _said(tries: Mapping[str, list[Measurement]]) -> str:
    contended = sum(own[-1].flag == "contended" for own in tries.values() if own)
    return f"{contended} contended" if contended else ""


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
