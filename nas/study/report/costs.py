"""What the search cost: time, passes, measurements."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from nas.figures import is_contended
from nas.report.document import Facts, Section
from nas.study.report.reading import Reading


def costs_section(reading: Reading) -> Section:
    """Wall time of evaluations, passes of training and recovery, latency measurements."""
    facts = {
        "Evaluations": _evaluations(reading),
        "From creation to the last result": _span(reading),
        "Training of the supernet": _training(reading),
        "Recovery": _recovery(reading),
        "Latency": _latency(reading),
    }
    return Section(title="Costs", anchor="costs", blocks=(Facts(values=facts),))


def _evaluations(reading: Reading) -> str:
    times = [event.payload.get("seconds") for event in reading.events("trial_completed")]
    known = [float(seconds) for seconds in times if seconds is not None]
    failed = sum(trial.state.value == "FAILED" for trial in reading.trials)
    text = f"{len(known):,} finished, {_time(sum(known))} of workers' wall time" if known else "none finished"
    return text + (f"; {failed:,} failed, whose time is not recorded" if failed else "")


def _span(reading: Reading) -> str:
    ends = [one.ended_at for one in reading.records if one.ended_at is not None]
    if not ends:
        return "no result yet"
    return f"{_time((max(ends) - reading.record.created_at).total_seconds())}, breaks between runs included"


def _training(reading: Reading) -> str:
    training = reading.spec.supernet.get("provenance", {}).get("training") or {}
    if not training:
        return "none"
    total = training.get("total", training)
    teacher = total.get("teacher_passes", 0)
    text = f"{total.get('passes', 0):,} passes, {total.get('examples', 0):,} examples"
    return text + (f", {teacher:,} forward passes of the teacher" if teacher else "")


def _recovery(reading: Reading) -> str:
    if not reading.recoveries:
        return "none"
    kinds = Counter(one.kind for one in reading.recoveries)
    passes, examples = (
        sum(getattr(one, name) for one in reading.recoveries) for name in ("passes", "examples")
    )
    counted = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
    seconds = sum(one.seconds for one in reading.recoveries)
    return f"{counted}: {passes:,} passes, {examples:,} examples, {_time(seconds)}"


def _latency(reading: Reading) -> str:
    target = reading.spec.target
    if target is None:
        return "not measured: the study has no target"
    measured = [t for t in reading.done if "latency_is_quiet" in t.metrics]
    contended = sum(is_contended(t.metrics) for t in measured)
    records = reading.ledger.latencies(workload_sha256=target.workload_sha256, include_invalid=True)
    flags = Counter(record.quality_flag for record in records)
    invalid = sum(not record.valid for record in records)
    flagged = ", ".join(f"{number:,} {flag}" for flag, number in sorted(flags.items())) or "none"
    return (
        f"of {len(measured):,} sub-networks, {contended:,} of them contended; measurements of this workload "
        f"in the database, by whichever study: {flagged}, {invalid:,} too imprecise to be used"
    )


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 120 else str(timedelta(seconds=round(seconds)))
