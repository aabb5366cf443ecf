"""Drivers as processes that can be killed, stopped and watched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_ROOT = Path(__file__).parents[2]
_POLL_S = 0.01


@dataclass(frozen=True)
class Driver:
    """A forked driver."""

    pid: int
    zygote: Drivers

    def kill(self, signal_number: int = signal.SIGKILL) -> None:
        """Send a signal; one that has ended already is left alone."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal_number)

    def ended(self) -> int | None:
        """Exit code, negative for a signal; None while it runs."""
        return self.zygote.ending_of(self.pid)

    def wait(self, timeout_s: float = 120) -> int:
        """Exit code at the end.

        Raises:
            TimeoutError: it still runs.
        """
        give_up = time.monotonic() + timeout_s
        while (code := self.ended()) is None:
            if time.monotonic() > give_up:
                self.kill()
                raise TimeoutError(f"driver {self.pid} still ran after {timeout_s:g} s")
            time.sleep(_POLL_S)
        return code


class Drivers:
    """Context manager: the process that forks drivers; see `zygote`."""

    def __init__(self, supernet: Path, folder: Path) -> None:
        self._supernet, self._folder = supernet, folder
        self._codes: dict[int, int] = {}

    def __enter__(self) -> Self:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(_ROOT), os.environ.get("PYTHONPATH", "")]),
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.chaos.zygote", str(self._supernet)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            cwd=self._folder,
            text=True,
        )
        if self._line() != "ready":
            raise RuntimeError("the process that forks drivers did not start; its error stands above")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(300)

    def start(self, **settings: Any) -> Driver:
        """Fork a driver; settings are those of `zygote.drive`."""
        defaults = {"supernet": str(self._supernet), "errors": str(self._folder / "drivers.err")}
        return Driver(self._answer({"start": {**defaults, **settings}}), self)

    def ending_of(self, pid: int) -> int | None:
        """See `Driver.ended`."""
        if pid not in self._codes:
            code = self._answer({"wait": pid})
            if code is None:
                return None
            self._codes[pid] = code
        return self._codes[pid]

    def errors(self) -> str:
        """The last that drivers wrote to standard error."""
        path = self._folder / "drivers.err"
        return path.read_text()[-4000:] if path.exists() else ""

    def _answer(self, order: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return json.loads(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()
