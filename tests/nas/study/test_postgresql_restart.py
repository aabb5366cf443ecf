"""A PostgreSQL server of its own is killed and away for seconds while a search runs on it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nas.study import Study
from storage import Ledger, StudyState, TrialState

pytestmark = pytest.mark.slow

MakeStudy = Callable[..., Study]


class Server:
    """A server on a socket in a private folder."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self._folder = programs, folder
        self._run("initdb", "-D", f"{folder / 'data'}", "-U", "nas", "-A", "trust", "--no-instructions")

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://nas@/postgres?host={self._folder}"

    def start(self) -> None:
        options = f"-k {self._folder} -c listen_addresses=''"
        log, data = self._folder / "log", self._folder / "data"
        self._run("pg_ctl", "-D", f"{data}", "-o", options, "-l", f"{log}", "-w", "-t", "120", "start")

    def kill(self) -> None:
        """As by a crash: nothing is written in good order."""
        os.kill(int((self._folder / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)

    def stop(self) -> None:
        data = self._folder / "data"
        self._run("pg_ctl", "-D", f"{data}", "-m", "immediate", "stop", check=False)

    def _run(self, program: str, *arguments: str, check: bool = True) -> None:
        command = [str(self._programs / program), *arguments]
        if os.geteuid() == 0:  # the server refuses to run as root
            command = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run(command, check=check, capture_output=True, cwd=self._folder)


@pytest.fixture
def server() -> Iterator[Server]:
    found = [
        *sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")),
        *filter(None, [shutil.which("initdb")]),
    ]
    if not found:
        pytest.skip("no initdb on this machine")
    folder = Path(tempfile.mkdtemp(prefix="nas-pg-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    server = Server(Path(found[0]).parent, folder)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


def test_a_server_that_is_killed_and_away_for_a_while_costs_nothing(
    make_study: MakeStudy, counted: Any, server: Server
) -> None:
    def go_away() -> float:
        server.kill()
        back.start()
        return 0.5

    def return_later() -> None:
        time.sleep(4.0)  # longer than the ledger tries by itself
        server.start()

    back = threading.Thread(target=return_later)
    counted.at[4] = go_away
    study = make_study(storage=server.url)
    study.optimize(counted.evaluator, 9)
    back.join(120)
    assert study.state is StudyState.COMPLETED
    done = [trial for trial in study.trials if trial.state is TrialState.DONE]
    assert [trial.attempts for trial in done] == [1] * 9
    assert len(counted.calls) == 9
    with Ledger.open(server.url) as ledger:
        study_id = ledger.study("tiny").id
        kinds = [event.kind for event in ledger.events(study_id, limit=10_000)]
    assert kinds.count("trial_completed") == 9
    assert kinds.count("lease_acquired") == 1
