"""What is known of a trial's latency: measured with its spread, and predicted from other shapes."""

from __future__ import annotations

from dataclasses import dataclass

from nas.evaluation.latency import half_width, shape_key
from nas.figures import figure
from nas.study import Trial
from nas.targets.history import predictor_of
from storage import LatencyRecord, Ledger


@dataclass(frozen=True, kw_only=True)
class LatencyFacts:
    """Latency of a trial on a device.

    Attributes:
        device: its name and fingerprint.
        measured: with half the 95 % interval; None where it was not measured there.
        quality: the measurement's flag in words.
        predicted: from the other shapes; None while too few were measured.
        likely_error: of predictions, as a text.
    """

    device: str
    measured: str | None
    quality: str | None
    predicted: str | None
    likely_error: str | None


def latency_facts(ledger: Ledger, trial: Trial) -> list[LatencyFacts]:
    """Facts by device that measured the study's workload; empty without a target."""
    target = trial.study.target
    if target is None:
        return []
    records = ledger.latencies(
        target=target.device_id, workload_sha256=target.workload_sha256, include_invalid=True
    )
    key = shape_key(trial.study.shape, trial.config)
    own = {record.target: record for record in records if record.shape_key == key}
    references = {record.target: record for record in records if "reference_ms" in record.statistics}
    return [_facts(ledger, trial, own.get(name), record) for name, record in references.items()]


def _facts(ledger: Ledger, trial: Trial, own: LatencyRecord | None, full: LatencyRecord) -> LatencyFacts:
    reference_ms = _reference_ms(trial) or float(full.statistics["reference_ms"])
    predictor = predictor_of(ledger, full.target, full.workload_sha256)
    ratio = None if predictor is None else predictor.likely(trial.config)
    error = None if predictor is None or ratio is None else predictor.cross_validated()
    return LatencyFacts(
        device=_device(full),
        measured=None if own is None else _measured(own, reference_ms),
        quality=None if own is None else _quality(own),
        predicted=None if ratio is None else f"{figure('latency_ms', ratio * reference_ms)} ms",
        likely_error=None
        if error is None
        else f"{100 * error.mean_absolute_relative_error:.1f} % on average over {error.num_shapes:,} shapes",
    )


def _reference_ms(trial: Trial) -> float | None:
    """The full model's latency that the study multiplies ratios by."""
    whole, ratio = trial.metrics.get("latency_ms"), trial.metrics.get("latency_ratio")
    return whole / ratio if whole and ratio else None


def _device(record: LatencyRecord) -> str:
    device = record.device
    name = next(iter(device.get("gpu_names") or ()), device.get("cpu", "device"))
    count = device.get("threads")
    threads = "" if count is None else f", {count} thread{'' if count == 1 else 's'}"
    return f"{name}{threads} ({record.target})"


def _measured(record: LatencyRecord, reference_ms: float) -> str:
    figures = record.statistics
    ratio = figures.get("ratio")
    if ratio is None:
        low, high = figures.get("reference_low_ms"), figures.get("reference_high_ms")
        spread = "" if low is None or high is None else f", 95 % interval {low:.3f} to {high:.3f} ms"
        return f"{figure('latency_ms', figures['reference_ms'])} ms{spread}"
    width = half_width(figures)
    return (
        f"{figure('latency_ms', ratio * reference_ms)} ms ± {100 * width / ratio:.2g} %, "
        f"{ratio:.3f} of the full model's"
    )


def _quality(record: LatencyRecord) -> str:
    flag = record.quality_flag
    return flag if record.valid else f"{flag}, too imprecise to rank by"
