"""Rows 11, 12, 22 and 23: evaluations that answer nonsense, or nothing, or something else than before."""

from __future__ import annotations

import math
import multiprocessing
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

import nas
from benchmarks.chaos.context import Context
from benchmarks.chaos.outcome import Outcome, examined
from storage import StudyState, TrialState
from workers import LatencyProtocol, measure_pair

_STRANGE: tuple[tuple[str, Any, bool], ...] = (
    ("NaN", math.nan, False),
    ("infinity", math.inf, False),
    ("-infinity", -math.inf, False),
    ("None", None, False),
    ("text", "1.5", False),
    ("an integer beyond floats", 10**400, False),
    ("a large float", 1e308, True),
    ("a number of numpy", np.float32(0.5), True),
    ("a list", [0.5], False),
)


def strange_metrics(context: Context, *, full: int = 1) -> Outcome:
    """Row 11: values that are no finite numbers fail their trial and never reach the front."""
    del full
    place, name = context.place(), context.name()
    url, calls = f"sqlite:///{place / 'nas.db'}", list[int]()

    def score(model: Any) -> Any:
        calls.append(1)
        return 0.5 if len(calls) == 1 else _STRANGE[(len(calls) - 2) % len(_STRANGE)][1]

    total = 1 + len(_STRANGE)
    with _study(context, name, url) as study:
        study.optimize(
            nas.ScoreEvaluator(score=score, metrics=("accuracy",), version="1"), total, max_failed=99
        )
        ended = [t for t in study.trials if t.state in (TrialState.DONE, TrialState.FAILED)]
        front = [trial.values for trial in study.best_trials]
    problems = [
        f"{label} gave {trial.state}"
        for trial, (label, _, is_number) in zip(ended[1:], _STRANGE, strict=True)
        if (trial.state is TrialState.DONE) != is_number
    ]
    problems += [f"{values} is on the front" for values in front if not all(map(math.isfinite, values or ()))]
    outcome = examined(url, name, total=total, injected=len(_STRANGE))
    return _with(outcome, problems)


def all_fail(context: Context, *, full: int = 1) -> Outcome:
    """Row 12: every evaluation but the full model's raises; the search ends, FAILED, and says why."""
    del full
    place, name = context.place(), context.name()
    url, calls = f"sqlite:///{place / 'nas.db'}", list[int]()

    def score(model: Any) -> float:
        calls.append(1)
        if len(calls) > 1:
            raise LookupError("no such tensor")
        return 0.5

    problems = []
    with _study(context, name, url) as study:
        try:
            study.optimize(
                nas.ScoreEvaluator(score=score, metrics=("accuracy",), version="1"), 100, max_failed=1000
            )
            problems.append("the search came to its end")
        except nas.EvaluationFailedError as error:
            if "no such tensor" not in str(error):
                problems.append(f"the cause is not told: {error}")
        if study.state is not StudyState.FAILED:
            problems.append(f"the study is {study.state}")
    return _with(examined(url, name, total=len(calls), injected=len(calls) - 1), problems)


def changed_between_runs(context: Context, *, full: int = 1) -> Outcome:
    """Row 23: a weight, the evaluator, the space, the sampler or a budget differs at the resume: refused."""
    del full
    place, name = context.place(), context.name()
    url = f"sqlite:///{place / 'nas.db'}"
    accurate = nas.ScoreEvaluator(score=_half, metrics=("accuracy",), version="1")
    with _study(context, name, url) as study:
        study.optimize(accurate, 6)
    other = nas.Supernet.load(context.supernet)
    with torch.no_grad():
        next(iter(other.model.parameters())).view(-1)[0] += 1e-3

    def run_with_other_evaluator() -> None:
        with _study(context, name, url) as study:
            study.optimize(nas.ScoreEvaluator(score=_half, metrics=("accuracy",), version="2"), 8)

    changes: dict[str, Callable[[], Any]] = {
        "a weight": lambda: _study(context, name, url, supernet=other).close(),
        "the evaluator": run_with_other_evaluator,
        "the space": lambda: _study(context, name, url, space="medium").close(),
        "the sampler": lambda: _study(context, name, url, sampler="tpe").close(),
        "a budget": lambda: _study(context, name, url, constraints=["num_parameters <= 0.1M"]).close(),
        "the seed": lambda: _study(context, name, url, seed=9).close(),
    }
    problems = []
    for what, change in changes.items():
        try:
            change()
            problems.append(f"{what} was changed and not noticed")
        except nas.ConfigError:
            continue
    with _study(context, name, url) as study:
        study.optimize(accurate, 8)
    return _with(examined(url, name, total=8, injected=len(changes)), problems)


def noisy_neighbours(context: Context, *, full: int = 3) -> Outcome:
    """Row 22: one, two and four processes that spin on the same core; each measurement must say so."""
    problems, shares = [], []
    spawning = multiprocessing.get_context("spawn")
    runs = context.times(full)
    for neighbours in (1, 2, 4):
        stop = spawning.Event()
        hogs = [spawning.Process(target=_spin, args=(stop,), daemon=True) for _ in range(neighbours)]
        for hog in hogs:
            hog.start()
        try:
            with spawning.Pool(1) as pool:
                for flag, share in pool.map(_measured, range(runs)):
                    shares.append(share)
                    if flag != "contended":
                        problems.append(f"{neighbours} neighbours: flag {flag}, share {share:.2f}")
        finally:
            stop.set()
            for hog in hogs:
                hog.join(10)
    note = f"share of the processor {min(shares):.2f} to {max(shares):.2f}"
    return Outcome(injected=3 * runs, problems=tuple(problems), note=note)


def _measured(_: int) -> tuple[str, float]:
    os.sched_setaffinity(0, {0})
    torch.set_num_threads(1)
    large, small = torch.nn.Linear(512, 512), torch.nn.Linear(512, 256)
    given = torch.zeros(64, 512)
    with torch.inference_mode():
        protocol = LatencyProtocol(max_seconds=1.0)
        pair = measure_pair(lambda: small(given), lambda: large(given), protocol)
    return pair.flag, pair.cpu_share or 0.0


def _spin(stop: Any) -> None:
    os.sched_setaffinity(0, {0})
    while not stop.is_set():
        for _ in range(100_000):
            pass


def _half(model: Any) -> float:
    return 0.5


def _study(context: Context, name: str, url: str, **changes: Any) -> nas.Study:
    settings: dict[str, Any] = {"supernet": nas.Supernet.load(context.supernet), "sampler": "random"}
    return nas.create_study(name, storage=url, load_if_exists=True, **(settings | changes))


def _with(outcome: Outcome, problems: list[str]) -> Outcome:
    return replace(outcome, problems=(*outcome.problems, *problems))
