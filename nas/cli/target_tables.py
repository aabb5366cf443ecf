"""Targets and their measurements as tables and records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from nas.cli.output import Column, Output

if TYPE_CHECKING:
    from nas.evaluation import Target
    from nas.targets.prediction import PredictionError
    from nas.targets.registry import TargetView
    from storage import LatencyRecord

_COLUMNS = ("target", "backend", "workload", "reached", "device", "fingerprint")
_NUMBERS = ("shapes", "drift", "predictor error")
_MEASURED = ("shapes", "calibrations", "drift", "measured_at", "predictor_error")
_NONE = "–"


def print_targets(out: Output, records: Sequence[Mapping[str, Any]]) -> None:
    """Records of targets, a line for each device that they were measured on."""
    columns = [*(Column(title=title, align="left") for title in _COLUMNS), *map(_number, _NUMBERS)]
    out.table(columns, [_row(record) for record in records])


def target_record(view: TargetView) -> dict[str, Any]:
    """A target as JSON."""
    return {
        **view.target.describe(),
        "workload_sha256": view.target.workload_sha256,
        "reached": view.place,
        "measured_device_id": view.device_id,
        "device_fingerprint": view.device,
        "shapes": view.shapes,
        "calibrations": view.calibrations,
        "drift": view.drift,
        "measured_at": view.measured_at,
        "predictor_error": None if view.error is None else asdict(view.error),
    }


def remote_target_records(target: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A target of a service as JSON, once for each device that it was measured on."""
    own = {key: value for key, value in target.items() if key != "devices"}
    unmeasured = {"device_id": None, "fingerprint": None, "shapes": 0, "calibrations": 0}
    missing = {**unmeasured, "drift": None, "measured_at": None, "predictor_error": None}
    return [
        {
            **own,
            "measured_device_id": device["device_id"],
            "device_fingerprint": device["fingerprint"],
            **{key: device[key] for key in _MEASURED},
        }
        for device in (target["devices"] or [missing])
    ]


def print_reference(out: Output, target: Target, records: Sequence[LatencyRecord]) -> None:
    """Measurements of the full model, in the order in which they were taken."""
    titles = ("p50 ms", "95 % interval", "to itself", "CPU share", "flag")
    columns = [Column(title="target", align="left"), *map(_number, titles)]
    out.table(columns, [[target.name, *_reference_row(record)] for record in records])


def reference_record(record: LatencyRecord) -> dict[str, Any]:
    """A measurement of the full model as JSON."""
    return {
        "device_id": record.target,
        "workload_sha256": record.workload_sha256,
        "flag": record.quality_flag,
        **dict(record.statistics),
        "ratio_to_itself": _to_itself(record),
    }


def error_text(error: PredictionError | None) -> str:
    """A predictor's error in short."""
    return _error_text(None if error is None else asdict(error))


def _error_text(error: Mapping[str, Any] | None) -> str:
    if error is None:
        return _NONE
    order = "" if error["kendall_tau"] is None else f", τ {error['kendall_tau']:.2f}"
    return f"{100 * error['mean_absolute_relative_error']:.1f}%{order} ({error['num_shapes']})"


def _workload(target: Mapping[str, Any]) -> str:
    """What is timed, in short."""
    decode = f" + {target['decode_length']} generated" if target.get("decode_length") else ""
    return f"{target['dtype']}, batch {target['batch_size']}, {target['sequence_length']}{decode} tokens"


def _row(record: Mapping[str, Any]) -> list[str]:
    device = record["device_fingerprint"] or {}
    name = next(iter(device.get("gpu_names") or ()), device.get("cpu", _NONE))
    return [
        record["name"],
        record["backend"],
        _workload(record),
        record["reached"],
        f"{name}, {device['threads']} threads" if "threads" in device else name,
        record["measured_device_id"] or _NONE,
        str(record["shapes"]),
        _NONE if record["drift"] is None else f"{100 * record['drift']:+.1f}%",
        _error_text(record["predictor_error"]),
    ]


def _reference_row(record: LatencyRecord) -> list[str]:
    figures = record.statistics
    share = figures.get("cpu_share")
    return [
        f"{figures['reference_ms']:.3f}",
        f"{figures['reference_low_ms']:.3f}-{figures['reference_high_ms']:.3f}",
        " ".join(f"{value:.3f}" for value in _to_itself(record)),
        _NONE if share is None else f"{share:.0%}",
        record.quality_flag,
    ]


def _to_itself(record: LatencyRecord) -> list[float]:
    """Ratio of the full model to itself and its 95 % interval: how far ratios can be trusted here."""
    from workers import PairedSamples
    from workers.intervals import median_interval

    samples = PairedSamples.from_bytes(record.samples or b"")
    interval = median_interval(samples.candidate_wall_ms / samples.reference_wall_ms, 0.95)
    return [interval.estimate, interval.low, interval.high]


def _number(title: str) -> Column:
    return Column(title=title)
