"""A driver that is killed at any moment loses nothing that was acknowledged."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import storage
from storage import Ledger, StudyRecord, TrialState

ROOT = Path(storage.__file__).parents[1]
DRIVER = """
import sys
from storage import Ledger, Proposal

with Ledger.open(sys.argv[1]) as ledger:
    lease = ledger.acquire("rte", owner=sys.argv[2], seconds=600)
    waiting = [trial.number for trial in ledger.requeue_open(lease)]
    while True:
        if not waiting:
            key = f"{sys.argv[2]}-{len(ledger.trials(lease.study_id))}"
            proposal = Proposal(
                key=key, config={}, parameters={"a": 1}, sampler_attributes={}, costs={}, origin="sampler"
            )
            waiting = [trial.number for trial in ledger.propose(lease, [proposal])]
            print("proposed", waiting[0], flush=True)
        number = waiting.pop(0)
        ledger.dispatch(lease, number)
        ledger.complete(lease.study_id, number, {"accuracy": number / 8})
        print("completed", number, flush=True)
"""


@pytest.mark.slow
def test_what_a_killed_driver_was_told_is_stored_is_stored(
    url: str,
    open_ledger: Callable[[], Ledger],
    study: StudyRecord,
    let_lease_expire: Callable[[], None],
) -> None:
    acknowledged: dict[str, set[int]] = {"proposed": set(), "completed": set()}
    for kill in range(5):
        for line in lines_until_killed(url, owner=f"driver-{kill}", after=7 + 5 * kill):
            verb, number = line.split()
            acknowledged[verb].add(int(number))
        let_lease_expire()

    trials = open_ledger().trials(study.id)
    assert len(acknowledged["completed"]) >= 5 * 3
    assert acknowledged["proposed"] <= {trial.number for trial in trials}
    done = {trial.number: trial.metrics for trial in trials if trial.state is TrialState.DONE}
    assert {number: done.get(number) for number in acknowledged["completed"]} == {
        number: {"accuracy": number / 8} for number in acknowledged["completed"]
    }
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert len(trials) - len(done) <= 1


def lines_until_killed(url: str, *, owner: str, after: int) -> list[str]:
    """All complete lines of a driver that gets SIGKILL once it has written `after` of them."""
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, url, owner], cwd=ROOT, text=True, stdout=subprocess.PIPE
    )
    assert driver.stdout is not None
    lines = [driver.stdout.readline() for _ in range(after)]
    driver.kill()
    lines += driver.stdout.readlines()
    driver.wait(60)
    driver.stdout.close()
    return [line for line in lines if line.endswith("\n")]
