"""How many samples are taken, in which order, and when it is enough."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from workers.contention import pressure_us
from workers.intervals import Interval
from workers.timing import Timer, Timing

_MAX_WARMUP_RUNS = 10_000
_MAX_CALLS = 10_000
_MIN_ROUNDS = 3
_CHECK_GROWTH = 1.2
_NS_PER_MS = 1e6

Statistic = Callable[[np.ndarray], Interval]


@dataclass(frozen=True, kw_only=True)
class LatencyProtocol:
    """How a latency is measured.

    Attributes:
        warmup_s: wall time that each function runs before it is timed.
        warmup_runs: calls that each function makes at least before it is timed.
        min_pairs: samples taken at least, if time allows.
        relative_precision: half width of the interval, as a share of its estimate, at which sampling ends.
        absolute_precision: half width of a ratio to the reference at which sampling ends whatever the ratio:
            a shape of 2 % of the reference need not be known to 0.02 %.
        max_seconds: wall time after which sampling ends whatever the precision.
        patience: times `max_seconds` that a pair may last where others take the processor: then it ends when
            processor time of its own reaches `max_seconds`.
        min_sample_s: shorter calls are repeated until a sample lasts about so long.
        min_cpu_share: share of the processor below which a measurement counts as contended.
    """

    warmup_s: float = 0.1
    warmup_runs: int = 3
    min_pairs: int = 30
    relative_precision: float = 0.01
    absolute_precision: float = 0.0025
    max_seconds: float = 3.0
    patience: float = 6.0
    confidence: float = 0.95
    min_sample_s: float = 0.002
    min_cpu_share: float = 0.95

    def __post_init__(self) -> None:
        for name in ("warmup_s", "warmup_runs", "min_sample_s", "absolute_precision"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 0 or more")
        for name in ("min_pairs", "relative_precision", "max_seconds"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be above 0")
        if not self.patience >= 1:
            raise ValueError(f"patience is {self.patience}; it must be 1 or more")
        for name in ("confidence", "min_cpu_share"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must lie between 0 and 1")


@dataclass(frozen=True, kw_only=True, eq=False)
class Rounds:
    """Samples of some functions that were timed in turn.

    Attributes:
        wall_ms: wall time of one call, `(rounds, functions)`.
        cpu_ms: CPU time of one call, `(rounds, functions)`.
        calls: calls in each sample, one number a function.
        cpu_share: share of the processor obtained, or None without a CPU clock.
        psi: share of the time in which some task of the machine waited for a processor, or None.
        converged: whether the precision asked for was reached.
    """

    wall_ms: np.ndarray
    cpu_ms: np.ndarray
    calls: tuple[int, ...]
    cpu_share: float | None
    psi: float | None
    seconds: float
    converged: bool


def take_rounds(
    functions: Sequence[Callable[[], object]],
    *,
    protocol: LatencyProtocol,
    timer: Timer,
    statistic: Statistic,
    absolute_precision: float = 0.0,
    patience: float = 1.0,
) -> Rounds:
    """Time the functions in turn, each round in the reverse order of the last, until `statistic` is precise.

    The precision is looked at after ever longer stretches. Ending on the width of an interval, not on where
    it lies, hardly changes its coverage. Source: Chow and Robbins 1965.

    Args:
        statistic: of wall and CPU nanoseconds a call, `(rounds, functions, 2)`.
        absolute_precision: half width of the statistic that is enough whatever its value.
        patience: see `LatencyProtocol`.
    """

    def is_precise(samples: np.ndarray) -> bool:
        interval = statistic(samples)
        return interval.is_within(protocol.relative_precision, absolute_precision)

    with _garbage_collector_off():
        calls = tuple(_warm_up(function, protocol, timer) for function in functions)
        started, waited, pressure = timer.now_ns(), timer.waited_ns(), pressure_us()
        budget = _Budget(protocol, timer, patience)
        samples, converged = _sample(functions, calls, budget, is_precise=is_precise)
        seconds = (timer.now_ns() - started) / 1e9
    total = Timing(*(samples * np.array(calls)[:, None]).sum(axis=(0, 1)))
    return Rounds(
        wall_ms=samples[:, :, 0] / _NS_PER_MS,
        cpu_ms=samples[:, :, 1] / _NS_PER_MS,
        calls=calls,
        cpu_share=timer.cpu_share(total, _difference(timer.waited_ns(), waited)),
        psi=_share(_difference(pressure_us(), pressure), seconds),
        seconds=seconds,
        converged=converged,
    )


class _Budget:
    """Time for sampling: wall time or, where others take the processor, what is obtained of it."""

    def __init__(self, protocol: LatencyProtocol, timer: Timer, patience: float) -> None:
        self.protocol, self.timer, self._patience = protocol, timer, patience
        self._started, self._waited = timer.now_ns(), timer.waited_ns()
        self._cpu_ns = 0.0

    def spend(self, timings: Iterable[Timing]) -> None:
        """Count what a round took."""
        self._cpu_ns += sum(timing.cpu_ns for timing in timings)

    @property
    def is_left(self) -> bool:
        """Whether another round may begin."""
        elapsed, limit = self.timer.now_ns() - self._started, self.protocol.max_seconds * 1e9
        if elapsed < limit or elapsed >= self._patience * limit:
            return elapsed < limit
        waited = _difference(self.timer.waited_ns(), self._waited)
        share = self.timer.cpu_share(Timing(wall_ns=elapsed, cpu_ns=self._cpu_ns), waited)
        return share is not None and share < self.protocol.min_cpu_share and share * elapsed < limit


def _sample(
    functions: Sequence[Callable[[], object]],
    calls: Sequence[int],
    budget: _Budget,
    *,
    is_precise: Callable[[np.ndarray], bool],
) -> tuple[np.ndarray, bool]:
    """Return nanoseconds a call `(rounds, functions, wall and CPU)` and whether they are precise enough."""
    protocol, timer = budget.protocol, budget.timer
    order = list(range(len(functions)))
    rounds: list[list[Timing]] = []
    next_check = protocol.min_pairs
    while len(rounds) < _MIN_ROUNDS or budget.is_left:
        timings = {index: timer.time(functions[index], calls[index]) for index in order}
        budget.spend(timings.values())
        rounds.append([timings[index] for index in range(len(functions))])
        order.reverse()
        if len(rounds) < next_check:
            continue
        next_check = max(len(rounds) + 1, math.ceil(len(rounds) * _CHECK_GROWTH))
        if is_precise(_per_call(rounds, calls)):
            return _per_call(rounds, calls), True
    samples = _per_call(rounds, calls)
    return samples, len(rounds) >= protocol.min_pairs and is_precise(samples)


def _warm_up(function: Callable[[], object], protocol: LatencyProtocol, timer: Timer) -> int:
    """Run the function until it is warm; return how many calls make a sample long enough."""
    until = timer.now_ns() + protocol.warmup_s * 1e9
    fastest = math.inf
    for run in range(_MAX_WARMUP_RUNS):
        if run >= max(1, protocol.warmup_runs) and timer.now_ns() >= until:
            break
        fastest = min(fastest, timer.time(function, 1).wall_ns)
    wanted = protocol.min_sample_s * 1e9 / max(fastest, 1.0)
    return min(_MAX_CALLS, max(1, math.ceil(wanted)))


def _per_call(rounds: Sequence[Sequence[Timing]], calls: Sequence[int]) -> np.ndarray:
    return np.array(rounds, dtype=np.float64) / np.array(calls, dtype=np.float64)[:, None]


def _difference(after: int | None, before: int | None) -> int | None:
    return None if after is None or before is None else after - before


def _share(microseconds: int | None, seconds: float) -> float | None:
    return None if microseconds is None or seconds <= 0 else min(1.0, microseconds / 1e6 / seconds)


@contextmanager
def _garbage_collector_off() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
