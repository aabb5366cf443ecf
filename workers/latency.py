"""Latency of a candidate relative to a reference, timed in turn, so that noise hits both alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Literal, Self

import numpy as np

from workers.intervals import Interval, median_interval
from workers.sampling import LatencyProtocol, Rounds, take_rounds
from workers.timing import Timer, timer_for

Flag = Literal["ok", "noisy", "contended"]

# Samples needed before a tail may be stated with 95 % confidence. Source: MLPerf inference rules.
_MIN_SAMPLES_P90 = 64
_MIN_SAMPLES_P99 = 662
_CALIBRATION_ATTEMPTS = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class PairedSamples:
    """Raw samples as float32 milliseconds of one call, `(num_pairs,)` each, in the order they were taken."""

    candidate_wall_ms: np.ndarray
    reference_wall_ms: np.ndarray
    candidate_cpu_ms: np.ndarray
    reference_cpu_ms: np.ndarray

    def to_bytes(self) -> bytes:
        """Return the four rows, little-endian, one after the other."""
        rows = [getattr(self, row.name) for row in fields(self)]
        return np.stack(rows).astype("<f4").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote.

        Raises:
            ValueError: the length does not fit four rows.
        """
        names = [row.name for row in fields(cls)]
        rows = np.frombuffer(data, dtype="<f4").reshape(len(names), -1)
        return cls(**dict(zip(names, rows, strict=True)))


@dataclass(frozen=True, kw_only=True)
class PairedLatency:
    """A candidate's latency as a multiple of the reference's.

    Attributes:
        ratio: the figure to rank by, with its interval: `wall_ratio`, or `cpu_ratio` where `is_cpu_ratio`.
        wall_ratio: median over the pairs of candidate wall time ÷ reference wall time.
        cpu_ratio: the same of CPU time, or None on a device without such a clock.
        is_cpu_ratio: others took the processor from work of one thread. Then CPU time is what wall time would
            be without them, and its ratio scatters several times less.
        candidate_p90_ms: None with fewer than 64 samples, or when calls are so short that a sample averages
            several of them.
        candidate_p99_ms: likewise, with fewer than 662 samples.
        cpu_share: share of the processor time wanted that was obtained; None on a GPU.
        psi: share of the time in which some task of the machine waited for a processor; None if unknown.
        converged: whether the precision asked for was reached in time.
        flag: `contended` when others took the processor: rank by it only if its interval is narrow; `noisy`
            when not converged.
    """

    ratio: float
    ratio_low: float
    ratio_high: float
    wall_ratio: float
    wall_ratio_low: float
    wall_ratio_high: float
    cpu_ratio: float | None
    cpu_ratio_low: float | None
    cpu_ratio_high: float | None
    is_cpu_ratio: bool
    candidate_p50_ms: float
    reference_p50_ms: float
    candidate_p90_ms: float | None
    candidate_p99_ms: float | None
    cpu_share: float | None
    psi: float | None
    num_pairs: int
    candidate_calls: int
    reference_calls: int
    seconds: float
    converged: bool
    flag: Flag
    samples: PairedSamples = field(repr=False, compare=False)

    def statistics(self) -> dict[str, float]:
        """Return every known figure by name, without the flag and the samples."""
        values = {figure.name: getattr(self, figure.name) for figure in fields(self)}
        return {name: float(value) for name, value in values.items() if isinstance(value, int | float)}


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What the reference takes on this device in a quiet window.

    Attributes:
        reference_ms: median wall time of one call, with its interval.
        attempts: windows that were tried; the one with the largest share of the processor is kept.
    """

    reference_ms: float
    reference_low_ms: float
    reference_high_ms: float
    cpu_share: float | None
    num_samples: int
    attempts: int
    seconds: float
    flag: Flag

    def latency_ms(self, ratio: float) -> float:
        """Return in milliseconds what was measured as a multiple of the reference."""
        return ratio * self.reference_ms


def measure_pair(
    candidate: Callable[[], object],
    reference: Callable[[], object],
    protocol: LatencyProtocol,
    *,
    timer: Timer | None = None,
) -> PairedLatency:
    """Time a candidate and a reference in turn: AB, BA, AB ...

    Both are called without arguments and must do the same work at every call, in inference mode if they are
    models. `timer` defaults to that of the processor.
    """

    timer = timer or timer_for("cpu")
    ratios = _Ratios(protocol, timer)
    rounds = take_rounds(
        (candidate, reference),
        protocol=protocol,
        timer=timer,
        statistic=ratios.primary,
        absolute_precision=protocol.absolute_precision,
        patience=protocol.patience,
    )
    samples = np.stack([rounds.wall_ms, rounds.cpu_ms], axis=-1)
    primary, wall, cpu = ratios.primary(samples), ratios.wall(samples), ratios.cpu(samples)
    is_single_call = rounds.calls[0] == 1
    return PairedLatency(
        ratio=primary.estimate,
        ratio_low=primary.low,
        ratio_high=primary.high,
        wall_ratio=wall.estimate,
        wall_ratio_low=wall.low,
        wall_ratio_high=wall.high,
        cpu_ratio=None if cpu is None else cpu.estimate,
        cpu_ratio_low=None if cpu is None else cpu.low,
        cpu_ratio_high=None if cpu is None else cpu.high,
        is_cpu_ratio=ratios.are_disturbed(samples),
        candidate_p50_ms=float(np.median(rounds.wall_ms[:, 0])),
        reference_p50_ms=float(np.median(rounds.wall_ms[:, 1])),
        candidate_p90_ms=_tail(rounds.wall_ms[:, 0], 90, _MIN_SAMPLES_P90) if is_single_call else None,
        candidate_p99_ms=_tail(rounds.wall_ms[:, 0], 99, _MIN_SAMPLES_P99) if is_single_call else None,
        cpu_share=rounds.cpu_share,
        psi=rounds.psi,
        num_pairs=len(rounds.wall_ms),
        candidate_calls=rounds.calls[0],
        reference_calls=rounds.calls[1],
        seconds=rounds.seconds,
        converged=rounds.converged,
        flag=_flag(rounds, protocol),
        samples=_samples(rounds),
    )


def calibrate(
    reference: Callable[[], object], protocol: LatencyProtocol, *, timer: Timer | None = None
) -> Calibration:
    """Time the reference alone, again while others take the processor, at most three times."""

    def median(samples: np.ndarray) -> Interval:
        return median_interval(samples[:, 0, 0], protocol.confidence)

    timer = timer or timer_for("cpu")
    windows: list[Rounds] = []
    while len(windows) < _CALIBRATION_ATTEMPTS:
        windows.append(take_rounds((reference,), protocol=protocol, timer=timer, statistic=median))
        if _flag(windows[-1], protocol) != "contended":
            break
    best = max(windows, key=lambda window: window.cpu_share or 0.0)
    interval = median(best.wall_ms[:, :, None])
    return Calibration(
        reference_ms=interval.estimate,
        reference_low_ms=interval.low,
        reference_high_ms=interval.high,
        cpu_share=best.cpu_share,
        num_samples=len(best.wall_ms),
        attempts=len(windows),
        seconds=sum(window.seconds for window in windows),
        flag=_flag(best, protocol),
    )


@dataclass(frozen=True)
class _Ratios:
    """Ratios of pairs of samples `(rounds, 2, wall and CPU)`, and by which clock to rank."""

    protocol: LatencyProtocol
    timer: Timer

    def wall(self, samples: np.ndarray) -> Interval:
        return self._median(samples[:, :, 0])

    def cpu(self, samples: np.ndarray) -> Interval | None:
        """None when the clock is too coarse or missing."""
        return self._median(samples[:, :, 1]) if np.all(samples[:, :, 1] > 0) else None

    def primary(self, samples: np.ndarray) -> Interval:
        cpu = self.cpu(samples) if self.are_disturbed(samples) else None
        return self.wall(samples) if cpu is None else cpu

    def are_disturbed(self, samples: np.ndarray) -> bool:
        """Whether work of one thread, timed by both clocks, lacked the processor."""
        wall, cpu = samples[:, :, 0], samples[:, :, 1]
        is_timed = self.timer.is_one_thread and bool(np.all(cpu > 0))
        return is_timed and bool(cpu.sum() < self.protocol.min_cpu_share * wall.sum())

    def _median(self, times: np.ndarray) -> Interval:
        return median_interval(times[:, 0] / times[:, 1], self.protocol.confidence)


def _tail(values: np.ndarray, percent: int, min_samples: int) -> float | None:
    return float(np.percentile(values, percent)) if len(values) >= min_samples else None


def _flag(rounds: Rounds, protocol: LatencyProtocol) -> Flag:
    if rounds.cpu_share is not None and rounds.cpu_share < protocol.min_cpu_share:
        return "contended"
    return "ok" if rounds.converged else "noisy"


def _samples(rounds: Rounds) -> PairedSamples:
    wall, cpu = rounds.wall_ms.astype(np.float32), rounds.cpu_ms.astype(np.float32)
    return PairedSamples(
        candidate_wall_ms=wall[:, 0],
        reference_wall_ms=wall[:, 1],
        candidate_cpu_ms=cpu[:, 0],
        reference_cpu_ms=cpu[:, 1],
    )
