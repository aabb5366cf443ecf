"""Rows 2, 15, 16, 17, 18 and 21: what happens to drivers."""

from __future__ import annotations

import signal
import time
from dataclasses import replace

import nas
from benchmarks.chaos.context import Context
from benchmarks.chaos.drivers import Driver
from benchmarks.chaos.oracle import noted
from benchmarks.chaos.outcome import Outcome, combined, examined
from storage import Ledger

_TOTAL = 60


def drivers_killed(context: Context, *, full: int = 120) -> Outcome:
    """Row 2: SIGKILL at random times, on SQLite and on PostgreSQL; another driver goes on."""
    outcomes = []
    for on_postgres in (False, True):
        kills = context.times(full // 2)
        while kills > 0:
            outcomes.append(_killed_search(context, min(kills, 14), on_postgres=on_postgres))
            kills -= outcomes[-1].injected
    return combined(outcomes)


def _killed_search(context: Context, kills: int, *, on_postgres: bool) -> Outcome:
    place, name = context.place(), context.name()
    url = context.postgres().url if on_postgres else f"sqlite:///{place / 'nas.db'}"
    settings = context.settings(url, name, place, _TOTAL)
    log, done = place / "calls.log", 0
    while True:
        driver = context.drivers.start(**settings)
        if done == kills:
            break
        target = len(noted(log)) + context.generator.randrange(0, 8)
        if _ended_before(driver, lambda: len(noted(log)) >= target):  # noqa: B023  # called at once
            break
        time.sleep(context.generator.uniform(0, 0.05 if target else 0.3))
        driver.kill()
        if driver.wait() == 0:
            break
        done += 1
    code = driver.wait()
    outcome = examined(
        url, name, total=_TOTAL, injected=done, log=str(log), equal_to=context.undisturbed(_TOTAL)
    )
    return _with_code(outcome, code, context)


def three_drivers(context: Context, *, full: int = 5) -> Outcome:
    """Row 15: three drivers of one study; one at a time proposes."""
    outcomes = []
    for _ in range(context.times(full)):
        place, name = context.place(), context.name()
        url = f"sqlite:///{place / 'nas.db'}"
        settings = context.settings(url, name, place, _TOTAL)
        group = [context.drivers.start(**settings) for _ in range(3)]
        codes = [driver.wait() for driver in group]
        outcome = examined(
            url,
            name,
            total=_TOTAL,
            injected=2,
            log=str(place / "calls.log"),
            equal_to=context.undisturbed(_TOTAL),
        )
        # On a slow machine a driver may be late to renew its lease and lose it to another one.
        wrong = [code for code in codes if code not in (0, 75)] or ([] if 0 in codes else codes)
        outcomes.append(_with_code(outcome, max(wrong, default=0), context))
    return combined(outcomes)


def frozen_drivers(context: Context, *, full: int = 6) -> Outcome:
    """Row 16: SIGSTOP for three times the lease while another driver takes the study, then SIGCONT."""
    outcomes = []
    for _ in range(context.times(full)):
        place, name = context.place(), context.name()
        url = f"sqlite:///{place / 'nas.db'}"
        settings = {**context.settings(url, name, place, _TOTAL), "seconds": 0.05}
        first = context.drivers.start(**settings, waits=False)
        _ended_before(first, lambda: len(noted(place / "calls.log")) >= 20)  # noqa: B023  # called at once
        first.kill(signal.SIGSTOP)
        second = context.drivers.start(**settings)
        while not _is_taken_within(2.0, url, name):
            first.kill(signal.SIGCONT)  # it was stopped in the middle of a write, with the file locked
            time.sleep(0.02)
            first.kill(signal.SIGSTOP)
        time.sleep(context.generator.uniform(0, 1))
        first.kill(signal.SIGCONT)
        codes = (first.wait(), second.wait())
        outcome = examined(url, name, total=_TOTAL, injected=1, equal_to=context.undisturbed(_TOTAL))
        # Which one is fenced depends on who holds the study when the first one wakes up.
        problems = () if sorted(codes) == [0, 75] else (f"exit codes {codes}, expected 75 and 0",)
        outcomes.append(replace(outcome, problems=outcome.problems + problems))
    return combined(outcomes)


def small_space(context: Context, *, full: int = 1) -> Outcome:
    """Row 18: a budget larger than the space evaluates each of its points once."""
    del full
    place, name = context.place(), context.name()
    url, calls = f"sqlite:///{place / 'nas.db'}", list[int]()

    def score(model: object) -> float:
        calls.append(1)
        return 0.5

    supernet = nas.Supernet.load(context.supernet)
    space = supernet.space(
        choices={
            "num_hidden_layers": [1, 2, 3],
            "num_attention_heads": [1, 3],
            "intermediate_size": [10, 20],
            "hidden_size": [24],
        }
    )
    with nas.create_study(
        name, supernet=supernet, space=space, storage=url, sampler="nsga2", enqueue=["full"]
    ) as study:
        study.optimize(nas.ScoreEvaluator(score=score, metrics=("accuracy",), version="1"), 100)
    outcome = examined(url, name, total=12, injected=1)
    problems = () if len(calls) == 12 else (f"{len(calls)} evaluations of 12 points",)
    return replace(outcome, problems=(*outcome.problems, *problems), note=f"{len(calls)} evaluations of 100")


def terminated(context: Context, *, full: int = 20) -> Outcome:
    """Row 21: SIGTERM drains: what is in flight is recorded, the lease is given back at once."""
    place, name = context.place(), context.name()
    url, log = f"sqlite:///{place / 'nas.db'}", place / "calls.log"
    settings = {**context.settings(url, name, place, _TOTAL), "lease_s": 30.0, "seconds": 0.25}
    stopped, slowest = 0, 0.0
    while stopped < context.times(full):
        driver = context.drivers.start(**settings)
        target = len(noted(log)) + context.generator.randrange(1, 4)
        if _ended_before(driver, lambda: len(noted(log)) >= target):  # noqa: B023  # called at once
            break
        since = time.monotonic()
        driver.kill(signal.SIGTERM)
        code = driver.wait()
        slowest = max(slowest, time.monotonic() - since)
        if code != 0:
            return Outcome(injected=stopped, problems=(f"exit code {code}: {context.drivers.errors()}",))
        stopped += 1
    code = context.drivers.start(**settings).wait()
    outcome = examined(
        url, name, total=_TOTAL, injected=stopped, log=str(log), equal_to=context.undisturbed(_TOTAL)
    )
    # A lease of 30 s that was not given back would have kept the next driver waiting.
    return _with_code(replace(outcome, note=f"slowest exit {slowest:.1f} s, lease 30 s"), code, context)


def _is_taken_within(seconds: float, url: str, name: str) -> bool:
    """Whether a second driver takes the study in that time."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        with Ledger.open(url) as ledger:
            if ledger.study(name).epoch > 1:
                return True
        time.sleep(0.02)
    return False


def _ended_before(driver: Driver, condition: object) -> bool:
    assert callable(condition)
    while not condition():
        if driver.ended() is not None:
            return True
        time.sleep(0.003)
    return False


def _with_code(outcome: Outcome, code: int, context: Context) -> Outcome:
    if code == 0:
        return outcome
    problem = f"the last driver ended with {code}: {context.drivers.errors()}"
    return replace(outcome, problems=(*outcome.problems, problem))
