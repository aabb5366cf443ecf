"""Places for one worker each: a Ray actor that is replaced by a new one when it is lost."""

from __future__ import annotations

import os
import sysconfig
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray

from workers.actor import Blueprint, EvaluationActor, Identity
from workers.protocol import Failure, FailureReason, Lane, LaneName, Task


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One try at a task; the payload is pickled once for all tries."""

    task: Task
    payload: bytes
    number: int = 1


@dataclass(kw_only=True)
class Slot:
    """One worker of a lane, over all the processes that take its place in turn.

    A lost actor is killed for good and a new one made, rather than restarted by Ray: then an actor that was
    only unreachable cannot run on, and Ray tells lack of memory apart from other deaths.
    """

    lane_name: LaneName
    lane: Lane
    blueprint: Blueprint
    gpus: float
    actor: Any = field(init=False, default=None)
    reference: Any = field(init=False, default=None)
    identity: Identity | None = field(init=False, default=None)
    attempt: Attempt | None = field(init=False, default=None)
    since: float = field(init=False, default=0.0)
    failed_starts: int = field(init=False, default=0)

    def spawn(self) -> None:
        """Start a worker process; `reference` yields its identity, or the failure of its factory."""
        self.kill()
        self.actor = _actor_class(self.lane, self.gpus).remote(self.blueprint)
        self.reference = self.actor.prepare.remote()
        self.since = time.monotonic()

    def kill(self) -> None:
        """End the worker process, whatever it does."""
        if self.actor is not None:
            ray.kill(self.actor, no_restart=True)
        self.actor = self.reference = self.identity = self.attempt = None

    def read_start(self) -> Failure | None:
        """Take in the answer of a spawned process: it is ready now, or why it is not."""
        try:
            answer: Identity | Failure = ray.get(self.reference)
        except ray.exceptions.RayError as error:
            return Failure(reason=loss_reason(error), message=str(error))
        if isinstance(answer, Failure):
            return answer
        self.identity, self.reference, self.failed_starts = answer, None, 0
        return None

    def run(self, attempt: Attempt) -> None:
        """Send an attempt to the worker; `reference` yields its outcome."""
        self.reference = self.actor.evaluate.remote(attempt.payload)
        self.attempt = attempt
        self.since = time.monotonic()

    def finish(self) -> None:
        """Note that the outcome was read and the worker waits for a task."""
        self.attempt = self.reference = None

    @property
    def is_idle(self) -> bool:
        """Whether the worker could take a task now."""
        return self.identity is not None and self.attempt is None

    @property
    def is_starting(self) -> bool:
        """Whether the process is not ready yet."""
        return self.identity is None

    @property
    def node_id(self) -> str | None:
        """The node of the worker, once it is ready."""
        return None if self.identity is None else self.identity.node_id

    def deadline(self, startup_timeout_s: float) -> float | None:
        """Return when, on the monotonic clock, what this slot is doing is overdue."""
        if self.is_starting:
            return self.since + startup_timeout_s
        if self.attempt is None or self.attempt.task.timeout_s is None:
            return None
        return self.since + self.attempt.task.timeout_s


def loss_reason(error: ray.exceptions.RayError) -> FailureReason:
    """Return why Ray says that a process has no answer."""
    return "oom" if isinstance(error, ray.exceptions.OutOfMemoryError) else "worker_lost"


def _actor_class(lane: Lane, gpus: float) -> Any:
    return ray.remote(EvaluationActor).options(
        num_cpus=lane.threads,
        num_gpus=gpus,
        resources=dict(lane.resources),
        max_restarts=0,
        max_task_retries=0,
        runtime_env={"env_vars": _environment(lane.threads)},
    )


def _environment(threads: int) -> dict[str, str]:
    """Return the variables of a worker, set before its first import so that thread pools obey them."""
    variables = {
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
        "OMP_WAIT_POLICY": "passive",
    }
    root = Path(__file__).resolve().parents[1]
    if root != Path(sysconfig.get_path("purelib")).resolve():
        paths = [str(root), os.environ.get("PYTHONPATH", "")]
        variables["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    return variables
