"""How busy 64 workers are kept, and whether the driver's memory stays flat over 10,000 trials."""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine
from workers import Completion, Lane, RayPool, Task

_WARM_UP = 1000


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One row: a figure, its goal, and whether it is met."""

    case: str
    value: str
    goal: str
    is_met: bool


def main(arguments: list[str]) -> None:
    """Run both parts and print one table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks utilisation", description=__doc__)
    parser.add_argument("--workers", type=int, default=64, help="sleeping workers")
    parser.add_argument("--evaluations", type=int, default=20, help="of each sleeping worker, on average")
    parser.add_argument("--seconds", type=float, default=0.75, help="mean length of a sleeping evaluation")
    parser.add_argument("--trials", type=int, default=10_000, help="of the memory part")
    given = parser.parse_args(arguments)
    print(describe_machine(), file=sys.stderr)
    print("| case | measured | goal | met |\n|---|---|---|---|", flush=True)
    parts: list[Iterator[Figure]] = [
        measure_memory(given.trials),
        measure_utilisation(given.workers, given.evaluations, given.seconds),
    ]
    for part in parts:
        for row in part:
            met = "yes" if row.is_met else "**no**"
            print(f"| {row.case} | {row.value} | {row.goal} | {met} |", flush=True)


def measure_utilisation(num_workers: int, evaluations: int, mean_s: float) -> Iterator[Figure]:
    """Share of time that sleeping workers spend in evaluations while there is something to evaluate.

    Lengths are uniform within half the mean of it. What counts is the time from the first submission to the
    last one; the end, where workers run out of work, is no matter of the pool.
    """
    draw = random.Random(0)
    lengths = [draw.uniform(0.5 * mean_s, 1.5 * mean_s) for _ in range(num_workers * evaluations)]
    with RayPool(startup_timeout_s=1800) as pool:
        started_at = time.monotonic()
        pool.start({"quality": _lane(_sleep, num_workers)}, {})
        first_s = time.monotonic() - started_at
        while len(pool.worker_ids()) < num_workers:
            pool.wait(1)
            time.sleep(0.1)
        start_s = time.monotonic() - started_at
        cpu_before, began_at = time.process_time(), time.monotonic()
        last_at = began_at
        completions = []
        for completion, submitted_at in _run(pool, lengths):
            completions.append(completion)
            last_at = max(last_at, submitted_at)
        cpu_s = time.process_time() - cpu_before
    spans: list[Any] = [completion.result for completion in completions]
    busy_s = sum(max(0.0, min(end, last_at) - max(begin, began_at)) for begin, end in spans)
    share = busy_s / (num_workers * (last_at - began_at))
    yield Figure(
        case=f"{num_workers} workers, {len(lengths)} evaluations of {mean_s:g} s: share of time busy",
        value=f"{share:.1%}; first worker after {first_s:.0f} s, all after {start_s:.0f} s; driver's "
        f"processor time {1000 * cpu_s / len(lengths):.1f} ms an evaluation",
        goal=">= 95 %",
        is_met=share >= 0.95,
    )


def measure_memory(trials: int) -> Iterator[Figure]:
    """Growth of the driver's resident memory and of Ray's references, after a warm-up."""
    with RayPool() as pool:
        pool.start({"quality": _lane(_echo, 2)}, {})
        for _ in _run(pool, list(range(_WARM_UP))):
            pass
        before, references = _resident_bytes(), _num_references()
        began_at = time.monotonic()
        for _ in _run(pool, list(range(trials))):
            pass
        rate = trials / (time.monotonic() - began_at)
        grown = _resident_bytes() - before
        more = _num_references() - references
    yield Figure(
        case=f"driver's memory over {trials} trials",
        value=f"{before / 2**20:.0f} MiB {grown / 2**20:+.1f} MiB; {rate:.0f} trials/s",
        goal="<= +10 MiB",
        is_met=grown <= 10 * 2**20,
    )
    yield Figure(
        case=f"Ray references over {trials} trials",
        value=f"{references} {more:+d}",
        goal="+0",
        is_met=more <= 0,
    )


def _lane(function: Callable[[Any], Any], num_workers: int) -> Lane:
    return Lane(factory=lambda arrays: function, num_workers=num_workers, cpus=0)


def _sleep(seconds: float) -> tuple[float, float]:
    """Sleep, and say from when to when; the monotonic clock is one for all processes of a machine."""
    began_at = time.monotonic()
    time.sleep(seconds)
    return began_at, time.monotonic()


def _echo(payload: object) -> object:
    return payload


def _run(pool: RayPool, payloads: list[Any]) -> Iterator[tuple[Completion, float]]:
    """Submit as a driver does, whenever a worker is free; each completion with the last submission's time."""
    waiting = list(enumerate(payloads))[::-1]
    submitted_at = time.monotonic()
    while waiting or pool.in_flight:
        while waiting and pool.free("quality"):
            number, payload = waiting.pop()
            pool.submit(Task(number=number, payload=payload, lane="quality"))
            submitted_at = time.monotonic()
        for completion in pool.wait(10):
            if completion.failure is not None:
                raise RuntimeError(f"an evaluation failed: {completion.failure.message}")
            yield completion, submitted_at


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def _num_references() -> int:
    import ray

    worker: Any = ray._private.worker.global_worker
    return len(worker.core_worker.get_all_reference_counts())
