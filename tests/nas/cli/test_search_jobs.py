"""Searches in the background: real supervisors and drivers on a tiny model.

Starting a process that needs torch takes seconds, so each fixture plays one story, and the tests look at
what was seen on the way.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import nas
from nas.jobs.job_status import status_of
from storage import JobRecord, Ledger, StudyState, TrialState

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

PATIENCE_S = 240.0
ENDLESS = ("--set", "search.trials=100000", "--set", "search.sampler=random")
NAS = (sys.executable, "-c", "from nas.cli import main; main()")
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("NAS_")} | {
    "PYTHONPATH": str(Path(nas.__file__).parents[1])
}


@dataclass(frozen=True, kw_only=True)
class Called:
    code: int
    out: str
    err: str


@dataclass(kw_only=True)
class Story:
    """A folder with a job, and what was seen of it."""

    folder: Path
    seen: dict[str, Any] = field(default_factory=dict)

    def call(self, *words: object) -> Called:
        done = subprocess.run(
            [*NAS, *map(str, words)],
            cwd=self.folder,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        return Called(code=done.returncode, out=done.stdout, err=done.stderr)

    @property
    def ledger(self) -> Ledger:
        return Ledger.open(f"sqlite:///{self.folder / 'nas.db'}")

    @property
    def job(self) -> JobRecord:
        """The newest job."""
        with self.ledger as ledger:
            return ledger.jobs()[-1]

    @property
    def log(self) -> str:
        assert self.job.log is not None
        return Path(self.job.log).read_text()

    @property
    def num_done(self) -> int:
        with self.ledger as ledger:
            names = [study.name for study in ledger.studies()]
            return len(ledger.trials(ledger.study("job").id, states=[TrialState.DONE])) if names else 0

    @property
    def study_state(self) -> StudyState:
        with self.ledger as ledger:
            return ledger.study("job").state

    @property
    def drivers(self) -> list[int]:
        """Process ids of all drivers of the job so far."""
        return [int(pid) for pid in re.findall(r"driver (\d+) started", self.log)]

    @property
    def supervisor(self) -> int:
        assert self.job.owner is not None
        return int(self.job.owner.rpartition("/")[2])

    def wait_until(self, condition: Callable[[], bool]) -> None:
        give_up = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < give_up, self.log
            time.sleep(0.2)

    def wait_for_trials(self) -> None:
        """Until the driver that runs now has finished a trial."""
        before = self.num_done
        self.wait_until(lambda: self.num_done > before)

    def clean_up(self) -> None:
        for pid in (self.supervisor if self.job.owner else None, *self.drivers):
            if pid is not None and _is_running(pid):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def story(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Story]]:
    made: list[Story] = []

    def make() -> Story:
        folder = tmp_path_factory.mktemp("background")
        shutil.copytree(bert, folder, dirs_exist_ok=True)
        made.append(Story(folder=folder))
        return made[-1]

    yield make
    for one in made:
        one.clean_up()


@pytest.fixture(scope="module")
def steered(story: Callable[[], Story]) -> Story:
    """Detached, followed, its driver killed, paused, resumed from another folder, edited until it ends."""
    job = story()
    seen = job.seen
    seen["detach"] = job.call("search", "run", "job.yaml", "--detach", *ENDLESS)
    following = subprocess.Popen(
        [*NAS, "search", "logs", "-f", "job"],
        cwd=job.folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
    )
    job.wait_for_trials()
    seen["second"] = job.call("search", "run", "job.yaml", "--detach")
    seen["ls"] = job.call("search", "ls")
    os.kill(job.drivers[0], signal.SIGKILL)
    job.wait_until(lambda: len(job.drivers) == 2)
    job.wait_for_trials()
    seen["driver sessions"] = {os.getsid(pid) for pid in (job.supervisor, job.drivers[1])}
    seen["environment"] = Path(f"/proc/{job.drivers[1]}/cmdline").read_bytes()
    seen["pause"] = job.call("search", "pause", "1")
    seen["paused"] = job.call("search", "wait", "job")
    seen["paused study"] = job.study_state
    seen["followed"], _ = following.communicate(timeout=PATIENCE_S)
    seen["restarts"] = job.job.restarts
    elsewhere = job.folder / "elsewhere"
    elsewhere.mkdir()
    url = ("--storage", f"sqlite:///{job.folder / 'nas.db'}")
    seen["resume"] = Story(folder=elsewhere).call("search", "resume", "job", *url)
    job.wait_for_trials()
    seen["edit"] = job.call("search", "edit", "job", "--trials", "1")
    seen["wait"] = job.call("search", "wait", "1", "--timeout", "4m")
    return job


@pytest.fixture(scope="module")
def orphaned(story: Callable[[], Story]) -> Story:
    """Detached, its supervisor killed, found lost, resumed, stopped by a signal and then for good."""
    job = story()
    seen = job.seen
    job.call("search", "run", "job.yaml", "--detach", *ENDLESS)
    job.wait_for_trials()
    driver = job.drivers[0]
    os.kill(job.supervisor, signal.SIGKILL)
    job.wait_until(lambda: not _is_running(driver))
    job.wait_until(lambda: status_of(job.job) == "lost")
    seen["study without supervisor"] = job.study_state
    seen["ls"] = job.call("search", "ls", "--json")
    seen["wait"] = job.call("search", "wait", "job")
    seen["done"] = job.num_done
    seen["resume"] = job.call("search", "resume", "job", "-q")
    job.wait_for_trials()
    seen["restarts"] = job.job.restarts
    os.kill(job.supervisor, signal.SIGTERM)
    seen["terminated"] = job.call("search", "wait", "job", "--json")
    seen["stop"] = job.call("search", "stop", "job")
    return job


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# Steering


def test_detaching_prints_the_job_and_what_to_do_next(steered):
    called = steered.seen["detach"]
    assert called.code == 0, called.err
    assert called.out.splitlines()[0].split() == ["job", "1"]
    assert "  nas search logs -f 1\n" in called.err


def test_a_second_job_of_a_study_is_refused_by_the_number_of_the_first(steered):
    called = steered.seen["second"]
    assert called.code == 2
    assert "study 'job' has job 1, which is running" in called.err


def test_the_list_names_the_job_and_that_it_runs(steered):
    row = steered.seen["ls"].out.splitlines()[1].split()
    assert (row[0], row[1], row[4:6]) == ("job", "running", ["1", "running"])


def test_supervisor_and_driver_have_sessions_of_their_own(steered):
    assert len(steered.seen["driver sessions"] | {os.getsid(0)}) == 3


def test_the_command_line_of_a_driver_holds_no_url(steered):
    assert b"sqlite" not in steered.seen["environment"]


def test_a_killed_driver_is_started_again(steered):
    assert steered.seen["restarts"] == 1
    assert f"driver {steered.drivers[0]} was killed by SIGKILL" in steered.log


def test_each_trial_ended_once_whatever_was_killed(steered):
    with steered.ledger as ledger:
        completed = [e.payload["number"] for e in ledger.events(None, limit=10**6, kind="trial_completed")]
    assert len(completed) == len(set(completed)) == steered.num_done


def test_a_paused_job_leaves_a_paused_study(steered):
    assert "pausing" in steered.seen["pause"].out
    assert steered.seen["paused"].code == 0
    assert "paused: asked by `nas search pause`" in steered.seen["paused"].out
    assert steered.seen["paused study"] is StudyState.PAUSED


def test_a_followed_log_ends_with_the_job(steered):
    assert "driver" in steered.seen["followed"].splitlines()[0]
    assert steered.log.startswith(steered.seen["followed"])


def test_a_job_is_resumed_from_any_folder(steered):
    assert steered.seen["resume"].code == 0, steered.seen["resume"].err
    assert len(steered.drivers) == 3


def test_an_edited_budget_ends_the_search(steered):
    assert steered.seen["edit"].code == 0
    assert steered.seen["wait"].code == 0
    assert "completed" in steered.seen["wait"].out
    assert steered.study_state is StudyState.COMPLETED


def test_a_job_that_is_over_can_neither_be_paused_nor_resumed(steered):
    assert steered.call("search", "pause", "1").code == 2
    called = steered.call("search", "resume", "1")
    assert (called.code, "job 1 is completed" in called.err) == (2, True)


def test_the_log_is_for_its_owner_only(steered):
    assert Path(steered.job.log).stat().st_mode & 0o777 == 0o600


def test_logs_prints_the_log(steered):
    assert steered.call("search", "logs", "job").out == steered.log


# Losing the supervisor


def test_without_its_supervisor_a_search_pauses_and_the_job_is_lost(orphaned):
    assert orphaned.seen["study without supervisor"] is StudyState.PAUSED
    assert '"status": "lost"' in orphaned.seen["ls"].out


def test_waiting_for_a_lost_job_fails(orphaned):
    assert orphaned.seen["wait"].code == 1


def test_a_lost_job_goes_on_where_it_was(orphaned):
    assert orphaned.seen["resume"].out == "1\n"
    assert orphaned.num_done > orphaned.seen["done"]
    assert orphaned.seen["restarts"] == 0


def test_a_supervisor_that_is_told_to_end_pauses_its_job(orphaned):
    assert orphaned.seen["terminated"].code == 0
    assert '"status": "paused"' in orphaned.seen["terminated"].out
    assert "SIGTERM" in orphaned.seen["terminated"].out


def test_a_job_that_nobody_sees_to_is_stopped_at_once(orphaned):
    assert "cancelled" in orphaned.seen["stop"].out
    assert orphaned.study_state is StudyState.CANCELLED


# Failing


def test_an_infeasible_search_fails_with_its_own_code_and_is_not_started_again(story):
    job = story()
    job.call("search", "run", "job.yaml", "--detach", "--set", "constraints=['num_parameters <= 10']")
    waited = job.call("search", "wait", "job")
    assert (waited.code, len(job.drivers)) == (3, 1)
    assert "'num_parameters <= 10'" in waited.out
