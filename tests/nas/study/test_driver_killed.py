"""A driver that is killed again and again ends with the history of one that was left alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import nas
from nas.supernet import Supernet
from storage import Ledger, StudyState, TrialState

pytestmark = pytest.mark.slow

TOTAL = 48  # NSGA-II is in its third generation then
KILLS = 12

#: Forks one driver after the other; a byte on the pipe is an evaluation begun.
SCRIPT = """
import json, math, os, random, select, signal, sys, time, traceback
import torch
import nas
from nas.study import session
from nas.supernet import Supernet

folder, url, sampler, seed, total, kills = sys.argv[1:]
torch.set_num_threads(1)
session.LEASE_SECONDS = 0.5
supernet = Supernet.load(folder)


def score(model):
    os.write(told, b".")
    size = sum(parameter.numel() for parameter in model.parameters())
    time.sleep(0.004)
    return math.nan if size % 10 == 4 else 0.5 + 0.4 * math.sin(size / 997)


def drive():
    while True:
        try:
            with nas.create_study(
                "killed", supernet=supernet, storage=url, sampler=sampler, deterministic=True, parallel=4,
                constraints=("num_parameters <= 0.6 * baseline",), load_if_exists=True,
            ) as study:
                study.optimize(score, int(total), max_failed=100)
            return
        except nas.StorageError as error:
            if "is held by" not in str(error):
                raise
            time.sleep(0.02)


generator = random.Random(int(seed))
calls = interrupted = 0
while True:
    hear, told = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            drive()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(told)
    wanted, heard = generator.randrange(0, 8), 0
    is_spared = interrupted >= int(kills)
    while is_spared or heard < wanted:
        byte = os.read(hear, 1)
        if not byte:
            break
        heard += 1
    if not is_spared:
        time.sleep(generator.uniform(0, 0.04 if wanted else 0.4))
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    calls += heard + len(os.read(hear, 10_000))
    os.close(hear)
    if os.WIFEXITED(status):
        print(json.dumps({"calls": calls, "kills": interrupted}))
        sys.exit(os.WEXITSTATUS(status))
    interrupted += 1
"""


@pytest.fixture(scope="module")
def folder(supernet: Supernet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The supernet on disk."""
    return supernet.save(tmp_path_factory.mktemp("killed") / "supernet")


def run(tmp_path: Path, folder: Path, sampler: str, *, kills: int) -> tuple[str, dict[str, int]]:
    """Run the study to its end through so many kills; its database, and what was counted."""
    script = tmp_path / "drive.py"
    script.write_text(SCRIPT)
    url = f"sqlite:///{tmp_path / f'{kills}.db'}"
    root = Path(nas.__file__).parents[1]
    finished = subprocess.run(
        [sys.executable, str(script), str(folder), url, sampler, "7", str(TOTAL), str(kills)],
        env={**os.environ, "PYTHONPATH": str(root), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    counted: dict[str, int] = json.loads(finished.stdout.splitlines()[-1])
    return url, counted


def history(url: str) -> list[Any]:
    with nas.load_study("killed", storage=url) as study:
        return [
            (t.number, t.key, t.parameters, t.origin, t.state, t.metrics, t.violations) for t in study.trials
        ]


@pytest.mark.parametrize("sampler", ["nsga2", "tpe"])
def test_a_driver_killed_at_any_moment_repeats_and_loses_nothing(
    tmp_path: Path, folder: Path, sampler: str
) -> None:
    left_alone, _ = run(tmp_path, folder, sampler, kills=0)
    killed, counted = run(tmp_path, folder, sampler, kills=KILLS)
    assert counted["kills"] >= KILLS - 2  # the last one may have come too late
    assert history(killed) == history(left_alone)
    with nas.load_study("killed", storage=killed) as study_of_kills:
        assert study_of_kills.replay().first_difference is None

    with Ledger.open(killed) as ledger:
        study = ledger.study("killed")
        trials, events = ledger.trials(study.id), ledger.events(study.id, limit=100_000)
    assert study.state is StudyState.COMPLETED
    evaluated = [t for t in trials if t.state in (TrialState.DONE, TrialState.FAILED)]
    assert len(evaluated) == TOTAL
    assert {TrialState.FAILED, TrialState.INFEASIBLE, TrialState.DONE} <= {t.state for t in trials}
    endings = Counter(e.payload["number"] for e in events if e.kind in ("trial_completed", "trial_failed"))
    assert endings == {trial.number: 1 for trial in evaluated}
    assert TOTAL <= counted["calls"] <= TOTAL + counted["kills"]  # one trial at a time is in flight
    assert sum(trial.attempts for trial in trials) <= TOTAL + counted["kills"]
