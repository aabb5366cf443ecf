"""Rows 4, 5, 9, 17, 19, 20 and 24: what happens to the database."""

from __future__ import annotations

import subprocess
import time
from dataclasses import replace
from pathlib import Path

from sqlalchemy import create_engine, text

from benchmarks.chaos.context import Context
from benchmarks.chaos.drivers import Driver
from benchmarks.chaos.oracle import noted
from benchmarks.chaos.outcome import Outcome, combined, examined
from benchmarks.chaos.proxy import Wire
from storage import Ledger, StudyState
from storage.location import is_network_filesystem

_TOTAL = 60


def server_killed(context: Context, *, full: int = 20) -> Outcome:
    """Row 4: SIGKILL to PostgreSQL and all its processes while a search runs; started again after a while."""
    server, outcomes, kills = context.postgres(), list[Outcome](), context.times(full)
    recovered: list[float] = []
    while kills > 0:
        place, name = context.place(), context.name()
        log, done = place / "calls.log", 0
        driver = context.drivers.start(
            **{**context.settings(server.url, name, place, _TOTAL), "seconds": 0.05, "lease_s": 3.0}
        )
        while done < min(kills, 5) and _waits_for(driver, log, context.generator.randrange(4, 12)):
            server.kill()
            time.sleep(3.0 if done == 0 else context.generator.uniform(0, 1))
            server.start()
            done, since = done + 1, time.monotonic()
            if _waits_for(driver, log, 1):
                recovered.append(time.monotonic() - since)
        code = driver.wait(300)
        outcome = examined(
            server.url, name, total=_TOTAL, injected=done, log=str(log), equal_to=context.undisturbed(_TOTAL)
        )
        outcomes.append(_ended_well(outcome, code, context))
        kills -= max(done, 1)
    note = f"evaluates again {max(recovered, default=0):.1f} s after the server's start at the latest"
    return replace(combined(outcomes), note=note)


def acknowledgements_lost(context: Context, *, full: int = 40) -> Outcome:
    """Row 5: the server commits, the connection breaks before it says so."""
    place, name = context.place(), context.name()
    log, wanted = place / "calls.log", context.times(full)
    with Wire(context.postgres().folder) as wire:
        settings = context.settings(wire.url, name, place, _TOTAL)
        driver = context.drivers.start(**{**settings, "lease_s": 10.0})
        while wire.dropped < wanted and _waits_for(driver, log, context.generator.randrange(0, 3)):
            wire.drops = 1
            while wire.drops and driver.ended() is None:
                time.sleep(0.005)
        code, dropped = driver.wait(300), wire.dropped
        if code == 75:  # the answer that was lost gave it the study: whoever watches it starts another
            code = context.drivers.start(**settings).wait(300)
    outcome = examined(
        context.postgres().url,
        name,
        total=_TOTAL,
        injected=dropped,
        log=str(log),
        equal_to=context.undisturbed(_TOTAL),
    )
    return _ended_well(outcome, code, context)


def slow_server(context: Context, *, full: int = 1) -> Outcome:
    """Row 20: half a second for whatever is sent to the server; throughput falls, nothing fails."""
    del full
    place, name = context.place(), context.name()
    total = max(4, round(6 * context.share))
    with Wire(context.postgres().folder) as wire:
        settings = context.settings(wire.url, name, place, total)
        driver = context.drivers.start(**{**settings, "lease_s": 3.0})
        _waits_for(driver, place / "calls.log", 1)
        wire.delay_s = 0.5 if context.share > 0.5 else 0.1
        delay_s, since = wire.delay_s, time.monotonic()
        code = driver.wait(400)
        seconds = time.monotonic() - since
    outcome = examined(
        context.postgres().url, name, total=total, injected=1, equal_to=context.undisturbed(total)
    )
    note = f"{delay_s:g} s a statement: {total} trials in {seconds:.0f} s"
    return _ended_well(replace(outcome, note=note), code, context)


def disk_full(context: Context, *, full: int = 2) -> Outcome:
    """Row 9: the file system of the database is full; the search pauses, and goes on when there is room."""
    outcomes = []
    for _ in range(context.times(full)):
        place, name = context.place(), context.name()
        mount = place / "small"
        mount.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(mount)], check=True)
        try:
            outcomes.append(_full_search(context, place, mount, name))
        finally:
            subprocess.run(["umount", "-l", str(mount)], check=True)
    return combined(outcomes)


def _full_search(context: Context, place: Path, mount: Path, name: str) -> Outcome:
    url, log = f"sqlite:///{mount / 'nas.db'}", place / "calls.log"
    settings = {**context.settings(url, name, place, _TOTAL), "seconds": 0.05}
    driver = context.drivers.start(**settings)
    _waits_for(driver, log, 12)
    ballast = mount / "ballast"
    _fill(ballast)
    code = driver.wait()
    ballast.unlink()
    with Ledger.open(url) as ledger:
        state, reason = ledger.study(name).state, ledger.study(name).reason
    problems = [] if code == 75 else [f"the driver ended with {code}: {context.drivers.errors()}"]
    if state not in (StudyState.PAUSED, StudyState.RUNNING):  # the disk may be too full to note it
        problems.append(f"the study is {state} ({reason})")
    code = context.drivers.start(**settings).wait()
    outcome = examined(
        url, name, total=_TOTAL, injected=1, log=str(log), equal_to=context.undisturbed(_TOTAL)
    )
    outcome = replace(outcome, problems=(*outcome.problems, *problems), note=f"{state}: {reason}"[:90])
    return _ended_well(outcome, code, context)


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as stream:
        for size in (65_536, 4096, 512):
            try:
                while True:
                    stream.write(b"\0" * size)
            except OSError:
                continue


def clock_jumps(context: Context, *, full: int = 4) -> Outcome:
    """Row 17: the end of every lease moves by an hour, as if the clock of the database had jumped."""
    outcomes = []
    for index in range(context.times(full)):
        place, name = context.place(), context.name()
        url, log = f"sqlite:///{place / 'nas.db'}", place / "calls.log"
        settings = context.settings(url, name, place, _TOTAL)
        first = context.drivers.start(**{**settings, "seconds": 0.02})
        _waits_for(first, log, 10)
        _shift_leases(url, 3600.0 if index % 2 else -3600.0)
        second = context.drivers.start(**{**settings, "seconds": 0.02})
        time.sleep(0.3)
        _shift_leases(url, -3600.0 if index % 2 else 3600.0)
        codes = [first.wait(), second.wait()]
        outcome = examined(url, name, total=_TOTAL, injected=2, equal_to=context.undisturbed(_TOTAL))
        wrong = [code for code in codes if code not in (0, 75)] or ([] if 0 in codes else codes)
        outcomes.append(_ended_well(outcome, max(wrong, default=0), context))
    return combined(outcomes)


def _shift_leases(url: str, seconds: float) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE nas_study SET lease_until_s = lease_until_s + {seconds:f}"))
    engine.dispose()


def many_trials(context: Context, *, full: int = 1) -> Outcome:
    """Row 19, a small share of it; the whole is `python -m benchmarks scale_storage`."""
    del full
    total = round(1500 * max(context.share, 0.2))
    place, name = context.place(), context.name()
    url = f"sqlite:///{place / 'nas.db'}"
    settings = {
        **context.settings(url, name, place, total),
        "sampler": "random",
        "space": "medium",
        "seconds": 0.0,
    }
    code = context.drivers.start(**settings).wait(300)
    since = time.monotonic()
    resumed = context.drivers.start(**settings).wait(300)
    note = f"{total} trials; a driver that finds them done ends after {time.monotonic() - since:.1f} s"
    outcome = examined(url, name, total=total, injected=1)
    return _ended_well(replace(outcome, note=note), code or resumed, context)


def network_file_systems(context: Context, *, full: int = 1) -> Outcome:
    """Row 24: SQLite on a network file system is refused; here by the names that the kernel gives them."""
    del context, full
    kinds = ("nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "lustre", "ceph", "glusterfs")
    missed = [kind for kind in kinds if not is_network_filesystem(kind)]
    wrong = [kind for kind in ("ext4", "xfs", "tmpfs", "overlay", "btrfs") if is_network_filesystem(kind)]
    problems = tuple(f"{kind} is taken for the wrong kind" for kind in missed + wrong)
    return Outcome(injected=len(kinds), problems=problems, note="by name: none can be mounted here")


def _waits_for(driver: Driver, log: Path, more: int) -> bool:
    """Wait until so many more lines were noted; False when the driver ended first."""
    wanted = len(noted(log)) + more
    while len(noted(log)) < wanted:
        if driver.ended() is not None:
            return False
        time.sleep(0.003)
    return driver.ended() is None


def _ended_well(outcome: Outcome, code: int, context: Context) -> Outcome:
    if code == 0:
        return outcome
    problem = f"the driver ended with {code}: {context.drivers.errors()}"
    return replace(outcome, problems=(*outcome.problems, problem))
