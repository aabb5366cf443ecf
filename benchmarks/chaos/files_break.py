"""Rows 10 and 25: files that change on the disk, and exports that are killed."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import nas
from benchmarks.chaos.context import Context
from benchmarks.chaos.outcome import Outcome
from nas.export.checksums import SUMS, check_sums


def exports_killed(context: Context, *, full: int = 12) -> Outcome:
    """Row 25: SIGKILL in the middle of an export; there is a whole folder, or none."""
    settings = _study(context)
    whole = context.place() / "export"
    since = time.monotonic()
    if context.drivers.start(**settings, folder=str(whole)).wait() != 0:
        return Outcome(injected=0, problems=(f"no export: {context.drivers.errors()}",))
    seconds = time.monotonic() - since
    problems, complete = [], 0
    for _ in range(context.times(full)):
        folder = context.place() / "export"
        driver = context.drivers.start(**settings, folder=str(folder))
        time.sleep(context.generator.uniform(0, 1.1 * seconds))
        driver.kill()
        driver.wait()
        if folder.exists():
            complete += 1
            problems += _problems_of(folder)
    note = f"{complete} folders were there and whole, the others not there"
    return Outcome(injected=context.times(full), problems=tuple(problems), note=note)


def files_corrupted(context: Context, *, full: int = 1200) -> Outcome:
    """Row 10: single bits of an export's files are flipped, or a file is cut short: each time it is told."""
    folder = context.place() / "export"
    if context.drivers.start(**_study(context), folder=str(folder)).wait() != 0:
        return Outcome(injected=0, problems=(f"no export: {context.drivers.errors()}",))
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != SUMS]
    missed, times = 0, context.times(full)
    for index in range(times):
        path = context.generator.choice(files)
        kept = path.read_bytes()
        data = bytearray(kept)
        if index % 6 == 5:
            del data[context.generator.randrange(len(data)) :]
        else:
            data[context.generator.randrange(len(data))] ^= 1 << context.generator.randrange(8)
        path.write_bytes(data)
        missed += not _problems_of(folder)
        path.write_bytes(kept)
    outcome = Outcome(injected=times, note=f"{times - missed} of {times} changes of a file were noticed")
    return replace(outcome, problems=(f"{missed} were not noticed",) if missed else ())


def _study(context: Context) -> dict[str, object]:
    """What an export of a study's full model is started with."""
    url, name = f"sqlite:///{context.place() / 'nas.db'}", context.name()
    supernet = nas.Supernet.load(context.supernet)
    with nas.create_study(name, supernet=supernet, storage=url) as study:
        study.optimize(nas.ScoreEvaluator(score=_half, metrics=("accuracy",), version="1"), 1)
    return {"action": "export", "storage": url, "name": name}


def _half(model: object) -> float:
    return 0.5


def _problems_of(folder: Path) -> list[str]:
    try:
        check_sums(folder)
    except nas.ExportVerificationError as error:
        return [str(error)]
    return []
