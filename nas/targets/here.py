"""Measuring a plan in this process, straight into the database."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from nas.progress import Progress, no_progress
from nas.targets.bench import header_of, measure, worker_of
from nas.targets.importing import checked_record
from nas.targets.plan import Plan
from storage import LatencyRecord, Ledger


def measure_here(
    plan: Plan,
    ledger: Ledger,
    *,
    again: Collection[str] = (),
    progress: Progress = no_progress,
) -> list[LatencyRecord]:
    """Measure on this machine what a plan asks for; each measurement is stored at once.

    Args:
        plan: what to measure.
        ledger: what has a measurement there that can be ranked by is left out.
        again: shape keys that are measured all the same.
        progress: told of shapes that are finished.

    Returns:
        The measurements of this run.

    Raises:
        TargetUnavailableError: the device or the runtime is not there.
    """
    target, header = plan.target, header_of(plan, plan.target)
    known = {
        record.shape_key
        for record in ledger.latencies(target=header.device_id, workload_sha256=target.workload_sha256)
    } - set(again)
    left = replace(plan, shapes={key: own for key, own in plan.shapes.items() if key not in known})
    if not left.shapes and plan.full in known:
        return []
    records = []
    for measurement in measure(left, worker_of(plan, target, plan.skeleton()), progress=progress):
        record = checked_record(measurement, plan, header)
        ledger.put_latency(record)
        records.append(record)
    return records
