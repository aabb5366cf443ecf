"""Two functions timed in turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from benchmarks.table import Goal, Row, shown
from workers import LatencyProtocol, PairedLatency, measure_pair
from workers.intervals import Interval

_FULL: Final = LatencyProtocol(
    warmup_s=0.3, warmup_runs=2, min_pairs=30, max_seconds=20.0, relative_precision=0.01
)
_QUICK: Final = LatencyProtocol(warmup_s=0.0, warmup_runs=1, min_pairs=3, max_seconds=0.2, min_sample_s=0.0)


def paired_row(
    case: str,
    candidate: Callable[[], object],
    reference: Callable[[], object],
    *,
    goal: Goal | None,
    quick: bool,
    is_speed_up: bool = False,
) -> Row:
    """Candidate ÷ reference, or with `is_speed_up` reference ÷ candidate, in CPU time of the one thread.

    CPU time is what decides: other processes on the machine lengthen the wall time alone.
    """
    paired = measure_pair(candidate, reference, _QUICK if quick else _FULL)
    cpu, wall = _intervals(paired)
    if is_speed_up:
        cpu, wall = _inverse(cpu), _inverse(wall)
    also = (
        f"wall {shown(wall)}; {_milliseconds(paired.candidate_p50_ms)} against "
        f"{_milliseconds(paired.reference_p50_ms)} ms wall, {paired.num_pairs} pairs"
    )
    return Row(case=case, figure=cpu, goal=goal, also=also)


def _intervals(paired: PairedLatency) -> tuple[Interval, Interval]:
    wall = Interval(estimate=paired.wall_ratio, low=paired.wall_ratio_low, high=paired.wall_ratio_high)
    if paired.cpu_ratio is None or paired.cpu_ratio_low is None or paired.cpu_ratio_high is None:
        raise RuntimeError("the CPU clock of this machine is too coarse for these calls")
    return Interval(estimate=paired.cpu_ratio, low=paired.cpu_ratio_low, high=paired.cpu_ratio_high), wall


def _milliseconds(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _inverse(ratio: Interval) -> Interval:
    return Interval(estimate=1 / ratio.estimate, low=1 / ratio.high, high=1 / ratio.low)
