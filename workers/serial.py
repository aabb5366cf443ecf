"""A pool without processes, for small searches, tests and debugging."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace

from workers.failures import describe_failure
from workers.protocol import Completion, Evaluator, Failure, Lane, LaneName, Pool, PoolError, Task
from workers.regions import Shared, mapped


@dataclass(frozen=True, kw_only=True)
class _Queued:
    task: Task
    attempt: int = 1


class SerialPool(Pool):
    """Runs each task in the calling process, one for each call of `wait`.

    Deadlines are not enforced: nothing can stop a call that runs in the driver's own thread. `num_workers`
    of a lane is ignored. Failures are reported, and tried again, as by any other pool, but a crash of the
    process takes the driver with it.
    """

    def __init__(self, *, max_attempts: int = 3) -> None:
        if max_attempts < 1:
            raise ValueError(f"max_attempts is {max_attempts}; it must be at least 1")
        self._max_attempts = max_attempts
        self._lanes: dict[LaneName, Lane] = {}
        self._evaluators: dict[LaneName, Evaluator] = {}
        self._queue: deque[_Queued] = deque()

    def start(self, lanes: Mapping[LaneName, Lane], arrays: Shared) -> None:
        """See `Pool.start`."""
        for name, lane in lanes.items():
            if lane.labels:
                raise PoolError(
                    f"lane {name} is for a node with the labels {dict(lane.labels)}, but a serial pool works "
                    "in this process; use a Ray pool (workers of kind ray), or a target without labels"
                )
            self._evaluators[name] = self._build(name, lane, arrays)
        self._lanes = dict(lanes)

    def submit(self, task: Task) -> None:
        """See `Pool.submit`."""
        if not self._lanes:
            raise PoolError("the pool is not started, or is closed; call start() before submit()")
        if task.lane not in self._lanes:
            raise ValueError(f"lane {task.lane!r} was not started; started lanes: {', '.join(self._lanes)}")
        self._queue.append(_Queued(task=task))

    def wait(self, timeout_s: float) -> list[Completion]:
        """Run the next task to its end, however long that takes, and return its completion."""
        if not self._queue:
            return []
        queued = self._queue.popleft()
        completion = self._run(queued)
        if completion.retrying:
            self._queue.appendleft(replace(queued, attempt=queued.attempt + 1))
        return [completion]

    def free(self, lane: LaneName) -> int:
        """See `Pool.free`."""
        return int(lane in self._lanes and not any(queued.task.lane == lane for queued in self._queue))

    @property
    def in_flight(self) -> int:
        """See `Pool.in_flight`."""
        return len(self._queue)

    def worker_ids(self) -> list[str]:
        """See `Pool.worker_ids`."""
        return [_own_id()] if self._lanes else []

    def close(self) -> None:
        """See `Pool.close`."""
        self._queue.clear()
        self._evaluators.clear()
        self._lanes.clear()

    def _build(self, name: LaneName, lane: Lane, arrays: Shared) -> Evaluator:
        try:
            return lane.factory(mapped(arrays))
        except Exception as error:
            self.close()
            raise PoolError(f"the factory of lane {name!r} raised {type(error).__name__}: {error}") from error

    def _run(self, queued: _Queued) -> Completion:
        started = time.perf_counter()
        result: object = None
        failure: Failure | None = None
        previous_threads = _set_torch_threads(self._lanes[queued.task.lane].threads)
        try:
            result = self._evaluators[queued.task.lane](queued.task.payload)
        except Exception as error:  # noqa: BLE001  # the worker's edge: whatever a user's evaluator raises
            failure = describe_failure(error)
        finally:
            _set_torch_threads(previous_threads)
        return Completion(
            task=queued.task,
            attempt=queued.attempt,
            result=result,
            failure=failure,
            retrying=failure is not None and failure.is_retried and queued.attempt < self._max_attempts,
            worker=_own_id(),
            seconds=time.perf_counter() - started,
        )


def _own_id() -> str:
    return f"{socket.gethostname()}/{os.getpid()}"


def _set_torch_threads(threads: int | None) -> int | None:
    """Set torch's intra-op threads and return the previous number, or None while torch is not loaded."""
    torch = sys.modules.get("torch")
    if torch is None or threads is None:
        return None
    previous: int = torch.get_num_threads()
    if threads != previous:
        torch.set_num_threads(threads)
    return previous
