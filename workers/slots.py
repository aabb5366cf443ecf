"""Places for one worker each: a Ray actor that is replaced by a new one when it is lost."""

from __future__ import annotations

import os
import sysconfig
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import ray

from workers.actor import Blueprint, EvaluationActor, Identity
from workers.protocol import Failure, FailureReason, Lane, LaneName, Task

#: Made once: each class is sent to the head when it is first used, which a lost head would hold up for ever.
_ACTOR: Any = ray.remote(EvaluationActor)
#: Variables of the driver that hold for its workers too: nothing is loaded from a hub.
_PASSED_ON = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")
#: Ways to the database and the service; workers of a local cluster would inherit them from the driver.
_CREDENTIALS = ("PGPASSWORD", "PGPASSFILE", "NAS_STORAGE", "NAS__STORAGE__URL", "NAS_TOKEN")


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One try at a task; the payload is pickled once for all tries.

    Attributes:
        key: of the task in its pool; numbers of tasks may repeat.
        number: counted from 1.
        preempted: earlier tries that went with a preempted node.
    """

    task: Task
    key: int
    payload: bytes
    number: int = 1
    preempted: int = 0

    def after(self, *, is_preempted: bool) -> Attempt:
        """The next try."""
        return replace(self, number=self.number + 1, preempted=self.preempted + is_preempted)


@dataclass(frozen=True, kw_only=True)
class LostAttempt:
    """A try that was given up although its result may still come.

    Attributes:
        reference: yields the outcome, or None if the try never ran.
        worker: `hostname/pid`.
        since: of its dispatch, on the monotonic clock.
        questions: how often the actor was asked.
    """

    attempt: Attempt
    actor: Any
    reference: Any
    worker: str
    since: float
    questions: int = 1

    def end(self) -> None:
        """End its process."""
        ray.kill(self.actor, no_restart=True)


@dataclass(kw_only=True)
class Slot:
    """One worker of a lane, over all the processes that take its place in turn.

    A lost actor is replaced by a new one, rather than restarted by Ray: then an actor that was only
    unreachable cannot run on unseen, and Ray tells lack of memory apart from other deaths.
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
    overdue_at: float | None = field(init=False, default=None)

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
        self._forget()

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
        self.reference = self.actor.evaluate.remote(attempt.key, attempt.payload)
        self.attempt = attempt
        self.since = time.monotonic()
        limit_s = attempt.task.timeout_s
        self.overdue_at = None if limit_s is None else self.since + limit_s

    def finish(self) -> None:
        """Note that the outcome was read and the worker waits for a task."""
        self.attempt = self.reference = self.overdue_at = None

    def disown(self) -> None:
        """Let the worker end what it does, for nobody: the task has its result already."""
        self.attempt = None

    def give_up(self, *, is_answered: bool) -> LostAttempt:
        """Leave the worker to itself with its attempt, and be ready for `spawn`.

        Args:
            is_answered: Ray has given the call up, so that the actor itself must be asked for the outcome.
        """
        attempt, worker = self.attempt, str(self.identity)
        assert attempt is not None
        reference = self.actor.recall.remote(attempt.key) if is_answered else self.reference
        lost = LostAttempt(
            attempt=attempt, actor=self.actor, reference=reference, worker=worker, since=self.since
        )
        self._forget()
        return lost

    def _forget(self) -> None:
        self.actor = self.reference = self.identity = self.attempt = self.overdue_at = None

    @property
    def is_idle(self) -> bool:
        """Whether the worker could take a task now."""
        return self.identity is not None and self.reference is None

    @property
    def is_busy(self) -> bool:
        """Whether the worker evaluates, be it for nobody any more."""
        return self.identity is not None and self.reference is not None

    @property
    def is_starting(self) -> bool:
        """Whether the process is not ready yet."""
        return self.identity is None

    @property
    def node_id(self) -> str | None:
        """The node of the worker, once it is ready."""
        return None if self.identity is None else self.identity.node_id


def loss_reason(error: ray.exceptions.RayError) -> FailureReason:
    """Return why Ray says that a process has no answer."""
    return "oom" if isinstance(error, ray.exceptions.OutOfMemoryError) else "worker_lost"


def _actor_class(lane: Lane, gpus: float) -> Any:
    return _ACTOR.options(
        num_cpus=lane.num_cpus,
        num_gpus=gpus,
        resources=dict(lane.resources),
        label_selector=dict(lane.labels),
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
    variables |= {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    variables |= {name: "" for name in _CREDENTIALS if name in os.environ}
    root = Path(__file__).resolve().parents[1]
    if root != Path(sysconfig.get_path("purelib")).resolve():
        paths = [str(root), os.environ.get("PYTHONPATH", "")]
        variables["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    return variables
