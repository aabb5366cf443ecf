"""`nas serve` as a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import yaml

_START_S: Final = 120.0
_STOP_S: Final = 60.0
#: A real search of a real model, for as long as it is let: no training, few examples, no Ray.
_SEARCH: Final[dict[str, Any]] = {
    "version": 1,
    "name": "running",
    "model": {"id": "bundled", "task": "sequence-classification"},
    "space": {"kind": "uniform"},
    "data": {"train": "docstrings", "validation": "docstrings", "max_length": 24, "limit": 64},
    "objectives": ["max accuracy", "min num_parameters"],
    "search": {"trials": 100_000, "sampler": "random"},
}


class RunningService:
    """Context manager: a service on a database, in a folder, on a free port."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url, self._folder = url, folder

    def __enter__(self) -> Self:
        settings = self._folder / "service.yaml"
        settings.write_text(
            yaml.safe_dump({"version": 1, "folder": str(self._folder), "workers": {"kind": "serial"}})
        )
        self._log = (self._folder / "service.log").open("wb")
        code = "from nas.cli import main; main()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, "serve", "--port", "0", "--config", str(settings)],
            env={**os.environ, "NAS_STORAGE": self._url},
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if "#token=" not in line:
            raise RuntimeError(f"the service did not start; see {settings.with_name('service.log')}")
        self.address, _, self.token = line.partition("/#token=")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._log.close()

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    @property
    def port(self) -> int:
        """It listens on."""
        return int(self.address.rpartition(":")[2])

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """One request as JSON."""
        request = urllib.request.Request(  # of our own service
            self.address + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.loads(answer.read())

    def start_search(self, *, trials: int = 1) -> int:
        """Submit a search and wait until it has evaluated some trials; the number of its job."""
        job = self.ask("POST", "/api/v1/jobs", {"config": _SEARCH})
        give_up = time.monotonic() + _START_S
        while (found := self.ask("GET", f"/api/v1/jobs/{job['id']}"))["progress"]["done"] < trials:
            if time.monotonic() > give_up or found["state"] in ("FAILED", "CANCELLED", "COMPLETED"):
                raise RuntimeError(f"the search does not run: {found}")
            time.sleep(0.5)
        return int(job["id"])

    def end_search(self, job: int) -> int:
        """Cancel it and wait for its end; how many trials it evaluated."""
        self.ask("POST", f"/api/v1/jobs/{job}:cancel", {})
        give_up = time.monotonic() + _START_S
        while (found := self.ask("GET", f"/api/v1/jobs/{job}"))["state"] not in (
            "CANCELLED",
            "COMPLETED",
            "FAILED",
        ):
            if time.monotonic() > give_up:
                raise RuntimeError(f"the search does not end: {found}")
            time.sleep(0.5)
        return int(found["progress"]["done"])
