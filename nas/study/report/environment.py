"""What the results depend on besides the settings: versions, weights, data, device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nas.report.document import Block, Facts, Heading, Section, Table
from nas.study.report.reading import Reading


def environment_section(reading: Reading) -> Section:
    """Hashes, the database, versions of each run that recorded them, and the target's device."""
    blocks: list[Block] = [Facts(values=_facts(reading))]
    runs = _versions(reading)
    if runs:
        blocks.append(_table(runs))
    return Section(title="Environment", anchor="environment", blocks=tuple(blocks))


def _facts(reading: Reading) -> dict[str, str]:
    record, evaluator = reading.record, reading.evaluator
    revision = reading.spec.supernet.get("provenance", {}).get("revision")
    return {
        "Created": f"{record.created_at:%Y-%m-%d %H:%M:%S} UTC",
        "Drivers so far": str(record.epoch),
        "Database": f"{reading.ledger.url}, schema {reading.ledger.schema_revision()}",
        "Weights of the supernet": f"SHA-256 {record.fingerprint.get('supernet', 'not recorded')}",
        "Model revision": str(revision) if revision else "not recorded",
        "Data": f"SHA-256 {evaluator['data_sha256']}" if "data_sha256" in evaluator else "not recorded",
        "Evaluator": f"SHA-256 {evaluator['sha256']}" if "sha256" in evaluator else "not recorded",
        "Search space": f"SHA-256 {record.fingerprint.get('space', 'not recorded')}",
        "Device of the target": _device(reading),
    }


def _device(reading: Reading) -> str:
    if reading.spec.target is None:
        return "none: the study has no latency target"
    device = reading.study.device_of_target()
    if device is None:
        return "not measured yet"
    return ", ".join(f"{name} {_short(value)}" for name, value in device.items() if value not in ("", [], 0))


def _short(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " ".join(map(str, value)) if len(value) <= 4 else f"({len(value)})"
    return str(value)


def _versions(reading: Reading) -> list[tuple[str, Mapping[str, str]]]:
    """When versions were recorded, with the evaluator and with each config, and what they were."""
    events = [*reading.events("evaluator"), *reading.events("config")]
    return [
        (f"{event.at:%Y-%m-%d %H:%M:%S}", event.payload["versions"])
        for event in sorted(events, key=lambda event: event.id)
        if event.payload.get("versions")
    ]


def _table(runs: Sequence[tuple[str, Mapping[str, str]]]) -> Table:
    packages = list(dict.fromkeys(name for _, versions in runs for name in versions))
    return Table(
        caption="Versions, by when they were recorded (UTC).",
        headings=(
            Heading(title="Recorded", is_number=False),
            *(Heading(title=name, is_number=False) for name in packages),
        ),
        rows=tuple((at, *(str(versions.get(name, "")) for name in packages)) for at, versions in runs),
    )
