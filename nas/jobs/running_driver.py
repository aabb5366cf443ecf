"""A driver as its supervisor sees it: a process, and a pipe that it tells its outcome through."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass
from typing import Final, Self

from nas.jobs.outcome import TEMPORARY, DriverOutcome, received
from nas.jobs.processes import start

MODULE: Final = "nas.jobs.driver"
_SECONDS_BETWEEN_LOOKS: Final = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class DriverEnd:
    """How a driver ended.

    Attributes:
        code: exit code of the process, below 0 the signal that killed it.
        outcome: what it said; None if it died before it could.
    """

    pid: int
    code: int
    outcome: DriverOutcome | None

    def __str__(self) -> str:
        if self.code < 0:
            return f"driver {self.pid} was killed by {signal.Signals(-self.code).name}"
        if self.code == TEMPORARY and self.outcome is not None:
            return f"driver {self.pid} could not go on: {self.outcome.reason}"
        return f"driver {self.pid} exited with {self.code}"


class RunningDriver:
    """The process of a driver; `start` makes it, `end` is called once when it has ended."""

    def __init__(self, process: subprocess.Popen[bytes], pipe: int) -> None:
        self._process, self._pipe = process, pipe

    @classmethod
    def start(cls, job_id: int, *, url: str) -> Self:
        """Start the driver of a job, which this process sees to; it writes to the same log."""
        reading, writing = os.pipe()
        try:
            arguments = (job_id, "--supervisor", os.getpid(), "--report", writing)
            process = start(MODULE, arguments, url=url, pass_fds=(writing,))
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        return cls(process, reading)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def send(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    def has_ended(self) -> bool:
        """Whether it has, after a moment's wait."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_SECONDS_BETWEEN_LOOKS)
            return True
        return False

    def end(self) -> DriverEnd:
        """How it ended."""
        code = self._process.wait()
        with os.fdopen(self._pipe, encoding="utf-8") as pipe:
            outcome = received(pipe.read())
        return DriverEnd(pid=self.pid, code=code, outcome=outcome)
