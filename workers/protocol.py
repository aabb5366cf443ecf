"""What crosses the border between a driver and a pool of workers."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Literal, Protocol, Self

import numpy as np

from workers.regions import Shared

LaneName = Literal["quality", "latency"]
FailureReason = Literal["oom", "nan", "timeout", "worker_lost", "bug"]
_LABEL_VALUE: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")


class PoolError(RuntimeError):
    """The pool as a whole cannot be started or can no longer be used."""


class PlacementError(PoolError):
    """No node of the cluster can ever take a worker of a lane; told before anything is started."""


class HeadLostError(PoolError):
    """The head of the cluster is gone, and Ray ends this process soon; another one may go on later."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One evaluation to run.

    Attributes:
        number: chosen by the driver and only handed back; the pool does not look at it.
        payload: what the evaluator is called with; must be picklable.
        timeout_s: wall time one attempt may take, or None for no limit.
    """

    number: int
    payload: Any
    lane: LaneName
    timeout_s: float | None = None

    def __post_init__(self) -> None:
        if self.timeout_s is not None and not self.timeout_s > 0:
            raise ValueError(
                f"timeout_s is {self.timeout_s}; give a number of seconds above 0, or None for no limit"
            )


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why an attempt has no result.

    Attributes:
        reason: `bug` and `nan` are the evaluator's answer and final at once; the others may depend on the
            worker or the moment and are tried again.
        traceback: of the evaluator's exception as text, or empty when the worker itself was lost.
    """

    reason: FailureReason
    message: str
    traceback: str = ""

    @property
    def is_retried(self) -> bool:
        """Whether another attempt may end differently."""
        return self.reason in ("oom", "timeout", "worker_lost")


@dataclass(frozen=True, kw_only=True)
class Completion:
    """The end of one attempt at a task.

    Attributes:
        attempt: counted from 1, with those that a preempted node cost.
        result: what the evaluator returned; None when `failure` is set.
        retrying: this attempt was lost and the pool runs the task again: another completion follows.
        worker: `hostname/pid` of the process that ran the attempt.
        seconds: wall time of the attempt, from its dispatch for one that was lost.
    """

    task: Task
    attempt: int
    result: Any | None
    failure: Failure | None
    retrying: bool
    worker: str
    seconds: float


class Evaluator(Protocol):
    """Evaluates one payload; lives in one worker and is called by it alone, once at a time."""

    def __call__(self, payload: Any, /) -> Any:
        """Return a picklable result, or raise."""
        ...


class EvaluatorFactory(Protocol):
    """Builds the evaluator of a worker; picklable, called once in each worker process.

    Workers run in an empty working directory, so paths that a factory carries must be absolute.
    """

    def __call__(self, arrays: Mapping[str, np.ndarray], /) -> Evaluator:
        """Build the evaluator from arrays that are read-only and shared by the workers of a node."""
        ...


@dataclass(frozen=True, kw_only=True)
class Lane:
    """A group of equal workers.

    Attributes:
        threads: intra-op threads of each worker.
        exclusive: while a task of this lane runs, nothing else of the pool runs on the same node. A waiting
            exclusive task goes first: it lets the node's running tasks end and holds back new ones.
        resources: Ray's custom resources that each worker occupies, such as `{"latency_slot": 1}`; they place
            the lane on the nodes that offer them.
        labels: of the nodes that its workers may run on, each with its value, such as `{"target": "edge"}`.
        gpus: share of a GPU, or number of GPUs, of each worker; None for what the pool gives to every worker.
        cpus: processors that Ray counts for each worker; None for as many as threads.
    """

    factory: EvaluatorFactory
    num_workers: int
    threads: int = 1
    exclusive: bool = False
    resources: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    gpus: float | None = None
    cpus: float | None = None

    def __post_init__(self) -> None:
        for name in ("num_workers", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} of a lane is {getattr(self, name)}; it must be at least 1")
        for name in ("gpus", "cpus"):
            if getattr(self, name) is not None and getattr(self, name) < 0:
                raise ValueError(f"{name} of a lane is {getattr(self, name)}; it must be at least 0, or None")
        for key, value in self.labels.items():
            if not _LABEL_VALUE.fullmatch(value):
                raise ValueError(
                    f"label {key!r} of a lane is {value!r}; give the value that the node has: up to 63 "
                    "letters, digits, dots, dashes and underscores, with no operator such as in() or !"
                )

    @property
    def num_cpus(self) -> float:
        """Processors that Ray counts for each worker."""
        return self.threads if self.cpus is None else self.cpus


class Pool(ABC):
    """Runs tasks on workers and says how each attempt ended.

    Ownership: one driver thread uses a pool, from `start` to `close`; a pool is not thread-safe and starts
    once. The pool owns its workers and a copy of `arrays`; tasks and results belong to the driver.

    Attempts: a task is tried at most `max_attempts` times. Each attempt yields one completion; the last one
    has `retrying` False and either the result or the failure. A `bug` (the evaluator raised) or `nan` is
    final at once; `worker_lost`, `timeout` and `oom` are tried again. An attempt that was lost may have run
    in part or in full, so evaluations must be safe to repeat. Order between tasks is not kept.

    Facts: when the result of an attempt that was given up for lost arrives after all, before a later attempt
    has ended, it is the task's result, and the later attempt is dropped. A task has one last completion.
    Attempts that went with a preempted node do not count towards `max_attempts`.
    """

    @abstractmethod
    def start(self, lanes: Mapping[LaneName, Lane], arrays: Shared) -> None:
        """Start the workers of each lane, and return when one of each is ready; others join later.

        Workers that see the files of `FileRegion`s map them; others get their content as arrays.

        Raises:
            PlacementError: no node is large enough for a worker of a lane, or has its labels.
            PoolError: no worker of a lane could be started, or a factory raised; nothing is left running.
        """

    @abstractmethod
    def submit(self, task: Task) -> None:
        """Queue a task; it starts as soon as a worker of its lane is free.

        Raises:
            PoolError: the pool is not started, or is closed.
            ValueError: the lane was not started.
        """

    @abstractmethod
    def wait(self, timeout_s: float) -> list[Completion]:
        """Return the attempts that ended, waiting for the first one up to `timeout_s`.

        Returns early, with an empty list, when nothing is in flight, or when a worker became free and no task
        waits for it. Retries, deadlines and new workers are handled inside this call, so call it regularly.

        Raises:
            PoolError: a lane has lost all its workers and new ones do not start.
            HeadLostError: the head of the cluster does not answer any more.
        """

    @abstractmethod
    def free(self, lane: LaneName) -> int:
        """Return how many workers of `lane` are ready and without a task, less the tasks queued for them.

        It grows when workers join and falls when they are lost, so ask again before each submission.
        """

    @property
    @abstractmethod
    def in_flight(self) -> int:
        """Number of tasks submitted whose last completion was not returned yet."""

    @abstractmethod
    def worker_ids(self) -> list[str]:
        """Return `hostname/pid` of each worker that is ready."""

    @abstractmethod
    def close(self) -> None:
        """End the workers and drop the tasks in flight; safe to call at any time, and more than once."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
