"""Bringing a device's results back: believed if they agree with their plan and with themselves."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from nas.errors import ConfigError
from nas.evaluation import LatencyResult
from nas.targets.agreement import agreed_figures
from nas.targets.history import find_plan
from nas.targets.plan import Plan
from nas.targets.results import Header, Measurement, read_results
from storage import LatencyRecord, Ledger
from workers import DeviceFingerprint

#: Kind of the event that an import leaves.
IMPORTED: Final = "latencies_imported"


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """What an import did.

    Attributes:
        added: measurements that were stored.
        repeated: measurements that were stored before.
        shapes: of the plan with a measurement that can be ranked by, the full model among them.
        planned: shapes of the plan.
    """

    device_id: str
    added: int
    repeated: int
    shapes: int
    planned: int


def import_results(path: Path, ledger: Ledger, *, plan: Plan | None = None) -> ImportReport:
    """Store the measurements of a results file under its device, all or, where one is refused, none.

    Importing a file again adds nothing; one that was cut short may be imported, and again when it is whole.

    Args:
        path: what `nas targets bench` wrote.
        ledger: where the plan was stored, and the results go.
        plan: in place of the stored one.

    Raises:
        ConfigError: with the reason why the file is not believed.
    """
    results = read_results(path)
    own = plan or find_plan(ledger, results.header.plan_sha256)
    _check_header(results.header, own)
    records = [checked_record(measurement, own, results.header) for measurement in results.measurements]
    if records and all(record.shape_key != own.full for record in records):
        raise ConfigError(f"results {path} lack the full model, which all else is relative to")
    known = {
        _identity(record)
        for record in ledger.latencies(
            target=results.header.device_id,
            workload_sha256=own.target.workload_sha256,
            include_invalid=True,
        )
    }
    new = list({_identity(record): record for record in records if _identity(record) not in known}.values())
    for record in new:
        ledger.put_latency(record)
    report = ImportReport(
        device_id=results.header.device_id,
        added=len(new),
        repeated=len(records) - len(new),
        shapes=len({record.shape_key for record in records if record.valid}),
        planned=len(own.shapes) + 1,
    )
    if new:
        versions = dict(results.header.versions)
        payload = {"plan": own.sha256, "device_id": report.device_id, "added": len(new), "versions": versions}
        ledger.add_event(None, IMPORTED, payload)
    return report


def checked_record(measurement: Measurement, plan: Plan, header: Header) -> LatencyRecord:
    """A measurement that agrees with its plan and its samples, as it is stored.

    Raises:
        ConfigError: with what does not agree.
    """
    key = measurement.shape_key
    if key != plan.full and key not in plan.shapes:
        raise ConfigError(f"shape {key[:40]!r} is not in the plan; nothing was imported")
    figures = agreed_figures(measurement, plan.protocol, _fingerprint(header), is_full=key == plan.full)
    device = {**header.device, **measurement.state}
    result = LatencyResult(
        statistics=figures, samples=measurement.samples, flag=measurement.flag, device=device
    )
    return LatencyRecord(
        shape_key=key,
        target=header.device_id,
        workload_sha256=header.workload_sha256,
        statistics=figures,
        samples=measurement.samples,
        quality_flag=measurement.flag,
        device=device,
        valid=result.is_usable,
    )


def _check_header(header: Header, plan: Plan) -> None:
    if header.plan_sha256 != plan.sha256:
        raise ConfigError(f"the results are of plan {header.plan_sha256[:16]}, not of {plan.sha256[:16]}")
    if header.workload_sha256 != plan.target.workload_sha256:
        raise ConfigError("the results are of another workload than their plan's")
    device = _fingerprint(header)
    if device.id != header.device_id:
        raise ConfigError(
            f"the results' device {header.device_id[:40]!r} is {device.id} by its fields: it was changed, or "
            "described by another version"
        )


def _fingerprint(header: Header) -> DeviceFingerprint:
    """The device of all measurements of a file, its fields texts, numbers and lists of texts."""
    allowed = {field.name for field in fields(DeviceFingerprint)}
    is_plain = all(
        isinstance(item, str | int)
        for value in header.device.values()
        for item in (value if isinstance(value, list | tuple) else [value])
    )
    device = DeviceFingerprint.from_record(header.device) if is_plain else None
    if device is None or not set(header.device) <= allowed:
        raise ConfigError("the results' device is no fingerprint: its fields are others than this version's")
    return device


def _identity(record: LatencyRecord) -> tuple[str, str, str]:
    digest = hashlib.sha256(record.samples or b"").hexdigest()
    return record.shape_key, record.quality_flag, digest
