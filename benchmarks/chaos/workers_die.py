"""Rows 1, 6, 7, 13 and 14: what happens to workers and to their nodes."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import nas
from benchmarks.chaos.context import Context
from benchmarks.chaos.oracle import Mischief, Oracle, noted
from benchmarks.chaos.outcome import Outcome, combined, examined
from nas.study import driver as driver_module
from storage import Ledger, TrialState
from workers import RayPool

_TOTAL = 60
#: Longer than the health checks of a cluster take to notice a silent node.
_PATIENCE_S = 240


def workers_killed(context: Context, *, full: int = 20) -> Outcome:
    """Row 1: SIGKILL to Ray workers in the middle of evaluations; the trial runs again under its number."""
    place, name = context.place(), context.name()
    kills, killed = context.times(full), list[int]()
    url = f"sqlite:///{place / 'nas.db'}"

    def kill_some(stopped: threading.Event) -> None:
        while len(killed) < kills and not stopped.is_set():
            seen = len(noted(place / "calls.log"))
            _wait(lambda seen=seen: len(noted(place / "calls.log")) >= seen + 4 or stopped.is_set())
            living = [pid for pid in map(int, noted(place / "workers.log")) if _is_running(pid)]
            if living and not stopped.is_set():
                victim = context.generator.choice(living)
                with suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
                    killed.append(victim)

    pool = RayPool(num_workers=2, max_attempts=20)
    with _beside(kill_some):
        _search(context, place, name, url, pool=pool, seconds=0.1)
    return examined(url, name, total=_TOTAL, injected=len(killed), equal_to=context.undisturbed(_TOTAL))


def node_killed(context: Context, *, full: int = 1) -> Outcome:
    """Row 6: SIGKILL to the raylet of one of two nodes; its evaluation runs again on the other."""
    return combined([_node_fails(context, signal.SIGKILL) for _ in range(context.times(full))])


def node_frozen(context: Context, *, full: int = 1) -> Outcome:
    """Row 7: SIGSTOP to the raylet and the workers of one of two nodes."""
    return combined([_node_fails(context, signal.SIGSTOP) for _ in range(context.times(full))])


def out_of_memory(context: Context, *, full: int = 1) -> Outcome:
    """Row 13: some sub-networks need more memory than a worker may have; they fail, the search goes on."""
    del full
    return _mischievous(context, "memory", reason="oom")


def evaluation_hangs(context: Context, *, full: int = 1) -> Outcome:
    """Row 14: some evaluations never end; each is ended at its deadline and given up after three tries."""
    del full
    usual = driver_module.MIN_DEADLINE_S
    driver_module.MIN_DEADLINE_S = 2.0  # type: ignore[misc]  # a faster campaign
    try:
        return _mischievous(context, "hang", reason="timeout")
    finally:
        driver_module.MIN_DEADLINE_S = usual  # type: ignore[misc]


def _mischievous(context: Context, mischief: Mischief, *, reason: str) -> Outcome:
    place, name = context.place(), context.name()
    url, total = f"sqlite:///{place / 'nas.db'}", 24
    _search(context, place, name, url, pool=RayPool(num_workers=2), total=total, mischief=mischief)
    with Ledger.open(url) as ledger:
        failed = ledger.trials(ledger.study(name).id, states={TrialState.FAILED})
    hurt = [trial for trial in failed if trial.reason == reason]
    outcome = examined(url, name, total=total, injected=sum(trial.attempts for trial in hurt))
    problems = () if hurt else (f"no trial failed for {reason}: {[trial.reason for trial in failed]}",)
    note = f"{len(hurt)} of {total} sub-networks given up as {reason}"
    return replace(outcome, problems=(*outcome.problems, *problems), note=note)


def _node_fails(context: Context, signal_number: int) -> Outcome:
    place, name = context.place(), context.name()
    url, seen = f"sqlite:///{place / 'nas.db'}", list[float]()
    with _cluster(place) as (address, nodes):

        def fail_one(stopped: threading.Event) -> None:
            log = place / "calls.log"
            _wait(lambda: len(noted(log)) >= 16 or stopped.is_set())
            victim = nodes[0]
            with suppress(ProcessLookupError):
                for pid in (*_children(victim), victim):
                    os.kill(pid, signal_number)
            since = time.monotonic()
            # The other worker goes on; all is well again when the lost evaluation was given out anew.
            _wait(lambda: _attempts(url, name) > 0 or stopped.is_set())
            if _attempts(url, name) > 0:
                seen.append(time.monotonic() - since)

        with _beside(fail_one):
            pool = RayPool(num_workers=2, address=address, max_attempts=5)
            _search(context, place, name, url, pool=pool, seconds=0.3)
    outcome = examined(url, name, total=_TOTAL, injected=1, equal_to=context.undisturbed(_TOTAL))
    return replace(outcome, note=f"given out again after {seen[0]:.0f} s" if seen else "")


def _attempts(url: str, name: str) -> int:
    """Trials that were given out more than once."""
    with Ledger.open(url) as ledger:
        return sum(trial.attempts > 1 for trial in ledger.trials(ledger.study(name).id))


def _search(
    context: Context,
    place: Path,
    name: str,
    url: str,
    *,
    pool: RayPool,
    total: int = _TOTAL,
    seconds: float = 0.003,
    mischief: Mischief = "none",
) -> None:
    """Search in this process, with the settings of every other search of the campaign."""
    settings: dict[str, Any] = context.settings(url, name, place, total)
    oracle = Oracle(
        log=settings.pop("log"),
        seconds=seconds,
        worker_log=str(place / "workers.log"),
        mischief=mischief,
    )
    del settings["total"]
    supernet = nas.Supernet.load(context.supernet)
    with nas.create_study(supernet=supernet, load_if_exists=True, **settings) as study:
        study.optimize(oracle, total, workers=pool, max_failed=1000)


@contextmanager
def _cluster(place: Path) -> Iterator[tuple[str, list[int]]]:
    """A head and two nodes of one processor on this machine; the process numbers of their raylets."""
    from ray.cluster_utils import Cluster

    token = place / "token"
    token.write_text("chaos" * 10)
    token.chmod(0o600)
    before = dict(os.environ)
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    from workers import ray_authentication

    ray_authentication.refresh()
    cluster: Any = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 0,
            "_system_config": {
                "health_check_initial_delay_ms": 1000,
                "health_check_period_ms": 1000,
                "health_check_timeout_ms": 2000,
                "health_check_failure_threshold": 3,
            },
        },
    )
    try:
        nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
        yield cluster.address, [_raylet(node) for node in nodes]
    finally:
        cluster.shutdown()
        os.environ.clear()
        os.environ.update(before)
        ray_authentication.refresh()


def _raylet(node: Any) -> int:
    processes = node.all_processes["raylet"]
    return int(processes[0].process.pid)


def _children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid:
                found.append(int(stat.parent.name))
    return found


@contextmanager
def _beside(action: Callable[[threading.Event], None]) -> Iterator[None]:
    """Run an action in a thread beside the block; the event says that the block has ended."""
    stopped = threading.Event()
    thread = threading.Thread(target=action, args=(stopped,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(_PATIENCE_S)


def _wait(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + _PATIENCE_S
    while not condition() and time.monotonic() < give_up:
        time.sleep(0.02)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
