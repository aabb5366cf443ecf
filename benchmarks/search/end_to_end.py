"""A search of a real supernet from start to front, timed: all of it, and what was no forward pass.

Forward passes are timed inside `Task.forward`, from the batch's tensors to the logits; latency measurements
count apart, as they are meant to take time.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch

import nas
from benchmarks.search.figures import Figure, percent, seconds
from benchmarks.search.journal import Cells, Record
from benchmarks.search.settings import Real, Settings
from benchmarks.stopwatch import Stopwatch, Time
from benchmarks.table import Goal
from nas.tasks import Task
from storage import TrialState

PART: Final = "end_to_end"
OVERHEAD: Final = "overhead"
_WALL: Final = Goal("<=", 300.0)
_SHARE: Final = Goal("<=", 0.05)
_OVERHEAD_SEEDS: Final = 2


@dataclass(frozen=True, kw_only=True)
class Timed:
    """A finished search.

    Attributes:
        wall: seconds of `optimize`.
        cpu: CPU seconds of this process meanwhile, all threads.
        forward: wall seconds inside forward passes of evaluations.
        forward_cpu: CPU seconds of the calling thread inside them.
        examples: evaluated.
        share: of the examples of full evaluations of all candidates.
    """

    wall: float
    cpu: float
    forward: float
    forward_cpu: float
    examples: float
    share: float
    trials: int
    paused: int
    front: int
    unmeasured: int
    measured: int


def cells(settings: Settings) -> Cells:
    """Two searches with a target: for few parameters, and for low latency."""
    make = partial(_cell, settings, PART, settings.effort.trials, has_target=True)
    return {f"{PART}/{cost}": partial(make, cost=cost) for cost in ("num_parameters", "latency_ms")}


def overhead_cells(settings: Settings) -> Cells:
    """The search without a target; a real one is too slow for many seeds."""
    make = partial(_cell, settings, OVERHEAD, settings.effort.overhead_trials, has_target=False)
    seeds = range(min(settings.seeds, _OVERHEAD_SEEDS))
    return {f"{OVERHEAD}/search/{seed}": partial(make, seed=seed) for seed in seeds}


def timed_search(
    real: Real, trials: int, *, has_target: bool, seed: int = 0, cost: str = "num_parameters"
) -> Timed:
    """Search a per-layer space with the library's defaults.

    With a target one Ray worker evaluates and another measures; without one it all happens in this
    process, where forward passes can be timed.
    """
    options: dict[str, Any] = {"target": nas.Target.local(threads=1)} if has_target else {}
    pool = nas.RayPool(num_workers=1) if has_target else None
    with (
        tempfile.TemporaryDirectory() as folder,
        nas.create_study(
            "timed",
            supernet=real.supernet,
            space="medium",
            objectives=("max accuracy", f"min {cost}"),
            storage=f"sqlite:///{Path(folder) / 'nas.db'}",
            seed=seed,
            **options,
        ) as study,
    ):
        evaluator = nas.DatasetEvaluator(data=real.data, precision="auto")
        with forward_passes() as forward:
            start, cpu = time.perf_counter(), time.process_time()
            study.optimize(evaluator, trials, workers=pool)
            wall, used = time.perf_counter() - start, time.process_time() - cpu
        return _timed(study, Time(wall, used), forward.total, len(real.data))


@contextmanager
def forward_passes() -> Iterator[Stopwatch]:
    """Time inside `Task.forward` of all tasks, until the block ends."""
    original = Task.forward
    try:
        yield Stopwatch(Task, ("forward",))
    finally:
        Task.forward = original  # type: ignore[method-assign]  # what the stopwatch put in its place goes


def figures(records: Sequence[Record]) -> list[Figure]:
    """Wall time of the search with latency."""
    found = []
    for record in records:
        case = (
            f"{record['trials']} trials for accuracy and {record['cost']} with racing and a target, "
            "one Ray worker for each lane"
        )
        also = (
            f"load {record['load']:.1f} at the start; {_spent(record)}; front of {record['front']}, "
            f"{record['unmeasured']} of it without measured latency, {record['measured']} measured in all"
        )
        found.append(
            Figure(part=PART, case=case, values=[float(record["wall"])], shown=seconds, goal=_WALL, also=also)
        )
    return found


def overhead_figures(records: Sequence[Record]) -> list[Figure]:
    """Share of time outside of forward passes, on one thread."""
    if not records:
        return []
    found = []
    for clock, part in (("wall", "forward"), ("cpu", "forward_cpu")):
        shares = [1 - float(record[part]) / float(record[clock]) for record in records]
        case = f"{clock} time outside of forward passes, {records[0]['trials']} trials with racing, 1 thread"
        also = f"{records[0][clock]:.0f} s in all with seed 0; {_spent(records[0])}"
        found.append(Figure(part=OVERHEAD, case=case, values=shares, shown=percent, goal=_SHARE, also=also))
    return found


def _spent(record: Record) -> str:
    return f"{record['share']:.1%} of the examples of full evaluation, {record['paused']} paused"


def _cell(
    settings: Settings,
    part: str,
    trials: int,
    *,
    has_target: bool,
    seed: int = 0,
    cost: str = "num_parameters",
) -> Record:
    real, load, threads = settings.real(), os.getloadavg()[0], torch.get_num_threads()
    if part == OVERHEAD:
        torch.set_num_threads(1)  # all CPU time is then the calling thread's
    try:
        timed = timed_search(real, trials, has_target=has_target, seed=seed, cost=cost)
    finally:
        torch.set_num_threads(threads)
    facts = {"part": part, "cost": cost, "seed": seed, "load": load, "threads": threads}
    return {**facts, **asdict(timed)}


def _timed(study: nas.Study, spent: Time, forward: Time, whole: int) -> Timed:
    trials = [t for t in study.trials if t.state in (TrialState.DONE, TrialState.PAUSED)]
    front = study.best_trials
    examples = sum(trial.metrics.get("evaluated_examples", float(whole)) for trial in trials)
    return Timed(
        wall=spent.wall,
        cpu=spent.cpu,
        forward=forward.wall,
        forward_cpu=forward.cpu,
        examples=examples,
        share=examples / (len(trials) * whole),
        trials=len(trials),
        paused=sum(trial.state is TrialState.PAUSED for trial in trials),
        front=len(front),
        unmeasured=sum("latency_ms" not in trial.metrics for trial in front),
        measured=sum("latency_ms" in trial.metrics for trial in trials),
    )
