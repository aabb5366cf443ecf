"""A pool of Ray actors: one call in flight for each actor, deadlines, re-runs, exclusive lanes."""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import ray
from ray import cloudpickle

from workers.actor import Outcome, pickled
from workers.failures import describe_failure
from workers.launch import await_start, create_slots, local_resources
from workers.protocol import Completion, Failure, FailureReason, Lane, LaneName, Pool, PoolError, Task
from workers.ray_session import RaySession
from workers.regions import Shared
from workers.slots import Attempt, Slot, loss_reason

_LOGGER = logging.getLogger(__name__)


class RayPool(Pool):
    """Runs tasks in Ray actors, on this machine or on a cluster.

    `address` is `"local"` for a cluster of its own, which is never joined by accident, or the address of one
    that runs; see `RaySession` for authentication. A local cluster offers just the processors that the lanes
    ask for, even beyond those of the machine. `num_workers` replaces that of the quality lane.
    """

    def __init__(
        self,
        num_workers: int | None = None,
        address: str | None = "local",
        *,
        gpus_per_worker: float = 0,
        max_attempts: int = 3,
        startup_timeout_s: float = 120,
    ) -> None:
        for name, value in (("num_workers", num_workers), ("max_attempts", max_attempts)):
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; it must be at least 1")
        self._num_workers = num_workers
        self._gpus_per_worker = gpus_per_worker
        self._max_attempts = max_attempts
        self._startup_timeout_s = startup_timeout_s
        self._session = RaySession(address)
        self._slots: list[Slot] = []
        self._queues: dict[LaneName, deque[Attempt]] = {}

    def start(self, lanes: Mapping[LaneName, Lane], arrays: Shared) -> None:
        """See `Pool.start`."""
        if self._slots:
            raise PoolError("the pool is already started; make a new one")
        lanes = self._with_num_workers(lanes)
        try:
            self._session.open(local_resources(lanes, arrays))
            self._slots = create_slots(
                lanes, arrays, gpus_per_worker=self._gpus_per_worker, is_local=self._session.is_local
            )
            self._queues = {name: deque() for name in lanes}
            for slot in self._slots:
                slot.spawn()
            await_start(self._slots, self._startup_timeout_s)
        except BaseException:
            self.close()
            raise

    def submit(self, task: Task) -> None:
        """See `Pool.submit`."""
        if not self._slots:
            raise PoolError("the pool is not started, or is closed; call start() before submit()")
        if task.lane not in self._queues:
            raise ValueError(f"lane {task.lane!r} was not started; started lanes: {', '.join(self._queues)}")
        self._queues[task.lane].append(Attempt(task=task, payload=pickled(task.payload)))
        self._dispatch()

    def wait(self, timeout_s: float) -> list[Completion]:
        """See `Pool.wait`."""
        give_up = time.monotonic() + timeout_s
        while True:
            self._dispatch()
            watched = {slot.reference: slot for slot in self._slots if slot.reference is not None}
            if not watched:
                return []
            became_ready = False
            completions: list[Completion] = []
            for reference in self._next_ready(list(watched), give_up):
                slot = watched[reference]
                if slot.is_starting:
                    became_ready |= self._collect_start(slot)
                else:
                    completions.append(self._collect_outcome(slot))
            completions.extend(self._expire())
            self._dispatch()
            if completions or self._has_news(became_ready) or time.monotonic() >= give_up:
                return completions

    def free(self, lane: LaneName) -> int:
        """See `Pool.free`."""
        idle = sum(slot.is_idle for slot in self._slots if slot.lane_name == lane)
        return max(0, idle - len(self._queues.get(lane, ())))

    @property
    def in_flight(self) -> int:
        """See `Pool.in_flight`."""
        queued = sum(len(queue) for queue in self._queues.values())
        return queued + sum(slot.attempt is not None for slot in self._slots)

    def worker_ids(self) -> list[str]:
        """See `Pool.worker_ids`."""
        return [str(slot.identity) for slot in self._slots if slot.identity is not None]

    def close(self) -> None:
        """See `Pool.close`."""
        is_local = self._session.is_local
        pids = self._local_pids()
        if ray.is_initialized():
            for slot in self._slots:
                slot.kill()
        self._slots.clear()
        self._queues.clear()
        self._session.close()
        if is_local:
            _kill_remaining(pids)

    def _with_num_workers(self, lanes: Mapping[LaneName, Lane]) -> dict[LaneName, Lane]:
        resolved = dict(lanes)
        if self._num_workers is not None and "quality" in resolved:
            resolved["quality"] = replace(resolved["quality"], num_workers=self._num_workers)
        return resolved

    def _next_ready(self, references: list[ray.ObjectRef[Any]], give_up: float) -> list[ray.ObjectRef[Any]]:
        deadlines = (slot.deadline(self._startup_timeout_s) for slot in self._slots)
        until = min([give_up, *(deadline for deadline in deadlines if deadline is not None)])
        ready, _ = ray.wait(references, timeout=max(0.0, until - time.monotonic()))
        if ready:
            ready, _ = ray.wait(references, num_returns=len(references), timeout=0)
        return list(ready)

    def _has_news(self, became_ready: bool) -> bool:
        return became_ready and any(self.free(lane) for lane in self._queues)

    # Dispatching

    def _dispatch(self) -> None:
        for slot in sorted(self._slots, key=lambda slot: not slot.lane.exclusive):
            queue = self._queues[slot.lane_name]
            if queue and slot.is_idle and self._may_run(slot):
                slot.run(queue.popleft())

    def _may_run(self, slot: Slot) -> bool:
        neighbours = [other for other in self._slots if other is not slot and other.node_id == slot.node_id]
        if slot.lane.exclusive:
            return not any(other.attempt is not None for other in neighbours)
        return not any(
            other.lane.exclusive and (other.attempt is not None or self._queues[other.lane_name])
            for other in neighbours
        )

    # Collecting

    def _collect_start(self, slot: Slot) -> bool:
        problem = slot.read_start()
        if problem is not None:
            self._start_again(slot, problem)
        return problem is None

    def _collect_outcome(self, slot: Slot) -> Completion:
        try:
            outcome: Outcome = ray.get(slot.reference)
        except ray.exceptions.RayError as error:
            return self._lose(slot, loss_reason(error), str(error))
        return self._settle(slot, outcome)

    def _settle(self, slot: Slot, outcome: Outcome) -> Completion:
        attempt, worker = slot.attempt, str(slot.identity)
        assert attempt is not None
        result, failure = None, outcome.failure
        if outcome.result is not None:
            try:
                result = cloudpickle.loads(outcome.result)
            except Exception as error:  # noqa: BLE001  # a result's own unpickling code may raise anything
                failure = describe_failure(error)
        slot.finish()
        return self._completion(attempt, result, failure, worker=worker, seconds=outcome.seconds)

    def _lose(self, slot: Slot, reason: FailureReason, message: str) -> Completion:
        attempt, worker, seconds = slot.attempt, str(slot.identity), time.monotonic() - slot.since
        assert attempt is not None
        _LOGGER.warning("task %d lost on %s (%s)", attempt.task.number, worker, reason)
        slot.spawn()
        failure = Failure(reason=reason, message=message)
        return self._completion(attempt, None, failure, worker=worker, seconds=seconds)

    def _completion(
        self, attempt: Attempt, result: object, failure: Failure | None, *, worker: str, seconds: float
    ) -> Completion:
        retrying = failure is not None and failure.is_retried and attempt.number < self._max_attempts
        if retrying:
            self._queues[attempt.task.lane].appendleft(replace(attempt, number=attempt.number + 1))
        return Completion(
            task=attempt.task,
            attempt=attempt.number,
            result=result,
            failure=failure,
            retrying=retrying,
            worker=worker,
            seconds=seconds,
        )

    # Replacing workers

    def _expire(self) -> Iterator[Completion]:
        now = time.monotonic()
        for slot in list(self._slots):
            deadline = slot.deadline(self._startup_timeout_s)
            if deadline is None or now < deadline:
                continue
            if slot.attempt is None:
                message = f"not ready after {self._startup_timeout_s:g} s"
                self._start_again(slot, Failure(reason="timeout", message=message))
            else:
                message = f"no result after {slot.attempt.task.timeout_s:g} s; the worker was ended"
                yield self._lose(slot, "timeout", message)

    def _start_again(self, slot: Slot, problem: Failure) -> None:
        slot.failed_starts += 1
        if slot.failed_starts < self._max_attempts:
            slot.spawn()
            return
        slot.kill()
        self._slots.remove(slot)
        if not any(other.lane_name == slot.lane_name for other in self._slots):
            cause = problem.traceback or problem.message
            raise PoolError(f"no worker of lane {slot.lane_name!r} starts any more: {cause}")
        _LOGGER.warning("lane %s goes on with a worker less: %s", slot.lane_name, problem.message)

    def _local_pids(self) -> list[int]:
        hostname = socket.gethostname()
        identities = [slot.identity for slot in self._slots if slot.identity is not None]
        return [identity.pid for identity in identities if identity.hostname == hostname]


def _kill_remaining(pids: list[int]) -> None:
    """End workers of a cluster that is gone; Ray does not wait for those that are stopped or swapped out."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
