"""A real service on a free port of loopback, with something of everything in it, that starts no jobs."""

from __future__ import annotations

import hashlib
import logging
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self, cast

from fastapi import FastAPI

import nas.service.dispatcher as dispatching
from benchmarks.filled_study import filled_study
from nas.jobs.exporting import EXPORTS
from nas.jobs.kinds import EXPORT, SEARCH
from nas.service.authentication import issue_token
from nas.service.server import LOOPBACK_NAMES, Listening, Server
from nas.service.settings import load_settings
from storage import ExportFile, JobRecord, JobState, Ledger

ACCOUNT: Final = "fuzz"
STUDY: Final = "fuzz.filled"
FILE: Final = "config.json"
#: Stands in files that no answer may hold.
CANARY: Final = "canary-9c41d0e7b85a"
#: Of the tokens: to search or export without reading is of no use.
SCOPES: Final = {
    "read": ("read",),
    "search": ("read", "search"),
    "export": ("read", "export"),
    "admin": ("admin",),
}
_LEASE_S: Final = 60.0
_LOGIN_FAILURES: Final = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What there is, so that requests get further than a 404."""

    search: int
    export: int


class AbusedService:
    """Context manager: a service in a thread of this process, on SQLite in a temporary folder.

    Its dispatcher starts `true` in place of supervisors: what is accepted fails at once, and costs nothing.

    Args:
        num_trials: of its study.
    """

    def __init__(self, num_trials: int = 300) -> None:
        self._num_trials = num_trials
        self._folder = tempfile.TemporaryDirectory(prefix="nas-abused-")
        self._start_supervisor = dispatching.start_supervisor

    def __enter__(self) -> Self:
        folder = Path(self._folder.name)
        url = f"sqlite:///{folder / 'nas.db'}"
        self.known = _fill(url, folder, self._num_trials)
        with Ledger.open(url) as ledger:
            self.tokens = {name: issue_token(ledger, ACCOUNT, scopes) for name, scopes in SCOPES.items()}
        settings = load_settings(
            storage={"url": url, "artifacts": "artifacts"},
            folder=str(folder),
            hosts=list(LOOPBACK_NAMES),
            limits={"failed_logins_per_minute": _LOGIN_FAILURES, "open_jobs": 5},
        )
        dispatching.start_supervisor = _started_nothing  # type: ignore[assignment]
        logging.disable(logging.WARNING)
        self._server = Server.of(settings, Listening(port=0))
        self._thread = threading.Thread(target=self._server.run, name="abused service")
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise RuntimeError("the service did not start")
            time.sleep(0.02)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
        logging.disable(logging.NOTSET)
        dispatching.start_supervisor = self._start_supervisor
        self._folder.cleanup()

    @property
    def address(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self._server.port}"

    @property
    def app(self) -> FastAPI:
        """The application that answers."""
        return cast("FastAPI", self._server.config.app)

    def headers(self, scope: str) -> dict[str, str]:
        """Of a request with the token of a scope."""
        return {"Authorization": f"Bearer {self.tokens[scope]}"}


def _started_nothing(job: JobRecord, url: str) -> subprocess.Popen[bytes]:
    del job, url
    return subprocess.Popen(["true"])


def _fill(url: str, folder: Path, num_trials: int) -> Known:
    """A study of the account, its search, and an export with a file and a link that leads elsewhere."""
    (folder / "secret").write_text(CANARY)
    with Ledger.open(url) as ledger:
        search = ledger.submit_job(
            STUDY, kind=SEARCH, config={"name": STUDY}, trials=num_trials, account=ACCOUNT, log=None
        ).job
        export = ledger.submit_job(
            STUDY, kind=EXPORT, config={"study": STUDY}, trials=None, account=ACCOUNT, log=None
        ).job
        exported = folder / "artifacts" / EXPORTS / str(export.id)
        exported.mkdir(parents=True)
        (exported / FILE).write_text("{}")
        (exported / "link").symlink_to(folder / "secret")
        digest = hashlib.sha256(b"{}").hexdigest()
        for job in (search, export):
            lease = ledger.claim_job(job.id, owner="fuzz", seconds=_LEASE_S)
            if job is export:
                link = ExportFile(name="link", sha256=digest, size_bytes=len(CANARY))
                ledger.put_export_files(lease, [ExportFile(name=FILE, sha256=digest, size_bytes=2), link])
            ledger.set_job_state(lease, JobState.COMPLETED)
            ledger.release_job(lease)
    filled_study(url, num_trials, STUDY)
    return Known(search=search.id, export=export.id)
