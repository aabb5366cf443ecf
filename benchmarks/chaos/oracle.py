"""An evaluator that costs nothing, answers by the key of the sub-network, and notes each call in a file."""

from __future__ import annotations

import hashlib
import math
import os
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import nas
from nas.evaluation import Evaluator, Quality
from nas.evaluation.skeleton import Skeleton
from search_spaces import SubnetConfig

Mischief = Literal["none", "memory", "hang"]
_WORKER_BYTES = 4 * 2**30


@dataclass(frozen=True, kw_only=True)
class Oracle(Evaluator):
    """Accuracy by hash; one sub-network in twenty has none that is a number.

    Attributes:
        log: file that gets a line at the begin and at the end of each evaluation.
        seconds: that one takes.
        worker_log: file that gets the process number of each worker.
        mischief: what the sub-networks do that have no accuracy otherwise.
    """

    log: str
    seconds: float = 0.003
    worker_log: str = ""
    mischief: Mischief = "none"

    @property
    def metrics(self) -> tuple[str, ...]:
        """See `Evaluator`."""
        return ("accuracy",)

    @property
    def sha256(self) -> str:
        """See `Evaluator`; studies of one database take no results from each other."""
        return hashlib.sha256(self.log.encode()).hexdigest()

    @property
    def num_examples(self) -> int:
        """See `Evaluator`."""
        return 1

    def prepare(self, supernet: nas.Supernet, earlier: Mapping[str, Any] | None = None) -> Oracle:
        """See `Evaluator`."""
        return self

    def factory(self, skeleton: Skeleton) -> OracleFactory:
        """See `Evaluator`."""
        return OracleFactory(self)


@dataclass(frozen=True)
class OracleFactory:
    """Builds what a worker calls."""

    oracle: Oracle

    def __call__(self, arrays: Mapping[str, Any]) -> OracleWorker:
        """A worker's evaluator."""
        if self.oracle.worker_log:
            note(self.oracle.worker_log, str(os.getpid()))
        return OracleWorker(self.oracle)


@dataclass(frozen=True)
class OracleWorker:
    """Answers payloads."""

    oracle: Oracle

    def __call__(self, payload: Mapping[str, Any]) -> Quality:
        """The quality of one sub-network."""
        key = SubnetConfig.from_json(payload).key
        note(self.oracle.log, f"begin {key}")
        value = accuracy(key)
        if math.isnan(value):
            _MISCHIEFS[self.oracle.mischief]()
        time.sleep(self.oracle.seconds)
        note(self.oracle.log, f"end {key}")
        return Quality(metrics={"accuracy": value}, examples=1, seconds=self.oracle.seconds)


def accuracy(key: str) -> float:
    """What the oracle says of a sub-network."""
    drawn = int(hashlib.sha256(key.encode()).hexdigest()[:8], 16) / 2**32
    return math.nan if drawn > 0.95 else drawn


def _need_too_much() -> None:
    """Ask for more memory than the limit of this process."""
    resource.setrlimit(resource.RLIMIT_AS, (_WORKER_BYTES, resource.RLIM_INFINITY))
    bytearray(4 * _WORKER_BYTES)


def _hang() -> None:
    time.sleep(3600)


_MISCHIEFS: dict[Mischief, Callable[[], None]] = {
    "none": lambda: None,
    "memory": _need_too_much,
    "hang": _hang,
}


def note(path: str | Path, line: str) -> None:
    """Append a line at once: what was written before a kill stays."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, f"{line}\n".encode())
    finally:
        os.close(handle)


def noted(path: str | Path) -> list[str]:
    """The lines so far."""
    return Path(path).read_text().splitlines() if Path(path).exists() else []
