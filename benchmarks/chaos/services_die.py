"""Row 3: a service is killed between the commit of a submission and its answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.chaos.context import Context
from benchmarks.chaos.outcome import Outcome
from nas.service.authentication import issue_token
from storage import JobRequest, JobState, Ledger

_PATIENCE_S = 120.0
#: Stopped before it does much: what counts here is the row.
_SEARCH: dict[str, Any] = {
    "version": 1,
    "model": {"id": "bundled", "task": "sequence-classification"},
    "data": {"train": "docstrings", "validation": "docstrings", "max_length": 16, "limit": 16},
    "objectives": ["max accuracy", "min num_parameters"],
    "search": {"trials": 2, "sampler": "random"},
}


@dataclass(frozen=True)
class _Place:
    """A folder with a database, and a token of its service."""

    folder: Path
    token: str

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder / 'nas.db'}"

    @contextmanager
    def service(self, *, dies: str = "") -> Iterator[int]:
        """The port of a service in a process of its own, which may have died when the block ends."""
        told = self.folder / f"port-{time.monotonic_ns()}"
        module = ["-m", "benchmarks.chaos.dying_service", str(self.folder / "settings.json"), str(told)]
        root = str(Path(__file__).parents[2])
        environment = {**os.environ, "PYTHONPATH": root, "DIES": dies, "OMP_NUM_THREADS": "1"}
        with (self.folder / "service.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *module], env=environment, cwd=self.folder, stdout=log, stderr=log
            )
        try:
            give_up = time.monotonic() + _PATIENCE_S
            while not told.exists():
                if process.poll() is not None or time.monotonic() > give_up:
                    raise RuntimeError(f"the service did not start; see {self.folder / 'service.log'}")
                time.sleep(0.05)
            yield int(told.read_text())
        finally:
            process.terminate()
            process.wait(_PATIENCE_S)

    def submit(self, port: int, number: int) -> int | None:
        """The job of a submission; None when no answer came."""
        request = urllib.request.Request(  # of our own service
            f"http://127.0.0.1:{port}/api/v1/jobs",
            data=json.dumps({"config": _SEARCH | {"name": f"study-{number}"}}).encode(),
            headers={
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
                "Idempotency-Key": f"submission-{number}",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=_PATIENCE_S) as answer:
                return int(json.loads(answer.read())["id"])
        except urllib.error.HTTPError:
            raise
        except OSError:
            return None


def services_killed(context: Context, *, full: int = 5) -> Outcome:
    """Row 3: what was committed is there once, and the same request sent again finds it."""
    kills = context.times(full)
    place = _prepared(context)
    problems = []
    for number in range(kills):
        with place.service(dies="after-commit") as port:
            if place.submit(port, number) is not None:
                problems.append(f"submission {number} was answered by a service that had to die")
    with Ledger.open(place.url) as ledger:
        accepted = [job.id for job in ledger.jobs()]
    with place.service() as port:
        again = [[place.submit(port, number) for _ in range(2)] for number in range(kills)]
        _stop_all(place)
    found = [answers[0] for answers in again if len(set(answers)) == 1]
    problems += ["a request sent twice got two jobs" for _ in range(kills - len(found))]
    return Outcome(
        injected=kills,
        lost=kills - len(set(accepted) & set(found)),
        duplicated=len(accepted) - len(set(found)),
        problems=tuple(problems),
        note=f"{len(accepted)} jobs of {3 * kills} requests",
    )


def _stop_all(place: _Place) -> None:
    """Ask every job to stop, and wait until none is seen to."""
    with Ledger.open(place.url) as ledger:
        for job in ledger.jobs():
            if not job.state.is_final:
                ledger.request_job(job.id, JobRequest.STOP)
        give_up = time.monotonic() + _PATIENCE_S
        while any(job.is_alive or job.state is JobState.QUEUED for job in ledger.jobs()):
            if time.monotonic() > give_up:
                raise RuntimeError(f"jobs do not end: {ledger.jobs()}")
            time.sleep(0.2)


def _prepared(context: Context) -> _Place:
    folder = context.place()
    settings = {
        "version": 1,
        "folder": str(folder),
        "storage": {"url": f"sqlite:///{folder / 'nas.db'}"},
        "workers": {"kind": "serial"},
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    with Ledger.open(f"sqlite:///{folder / 'nas.db'}") as ledger:
        return _Place(folder, issue_token(ledger, "chaos", ["read", "search"]))
