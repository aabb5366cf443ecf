"""A pool of Ray actors: one call in flight for each actor, deadlines, re-runs, exclusive lanes."""

from __future__ import annotations

import itertools
import logging
import os
import signal
import socket
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import ray
from ray import cloudpickle

from workers.actor import Outcome, pickled
from workers.crew import Crew
from workers.failures import describe_failure
from workers.launch import create_slots, local_resources
from workers.lost import LostAttempts
from workers.placement import check_placement, room_for
from workers.protocol import Completion, Failure, Lane, LaneName, Pool, PoolError, Task
from workers.ray_cluster import ClusterWatch, can_grow
from workers.ray_session import RaySession
from workers.regions import Shared
from workers.slots import Attempt, Slot, loss_reason

_LOGGER = logging.getLogger(__name__)
_TICK_S: Final = 1.0


class RayPool(Pool):
    """Runs tasks in Ray actors, on this machine or on a cluster.

    `address` is `"local"` for a cluster of its own, which is never joined by accident, or the address of one
    that runs; see `RaySession` for authentication. A local cluster offers just the processors that the lanes
    ask for, even beyond those of the machine. `num_workers` replaces that of the quality lane; a cluster that
    is joined without it gets as many as its nodes have room for. Workers for which there is no room now are
    used once there is; a lane may be without any for `startup_timeout_s`.
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
        self._joins = address != "local"
        self._watch = ClusterWatch()
        self._crew: Crew | None = None
        self._queues: dict[LaneName, deque[Attempt]] = {}
        self._lost = LostAttempts()
        self._keys = itertools.count()

    def start(self, lanes: Mapping[LaneName, Lane], arrays: Shared) -> None:
        """See `Pool.start`."""
        if self._crew is not None:
            raise PoolError("the pool is already started; make a new one")
        lanes = self._with_num_workers(lanes)
        gpus = self._gpus_per_worker
        try:
            self._session.open(local_resources(lanes, arrays, gpus))
            self._watch.start()
            if not can_grow():
                check_placement(lanes, gpus, self._watch.nodes)
            if self._num_workers is None and self._joins:
                lanes = self._filling(lanes)
            slots = create_slots(lanes, arrays, gpus_per_worker=gpus, is_local=self._session.is_local)
            self._queues = {name: deque() for name in lanes}
            self._crew = Crew(
                slots, self._watch, max_starts=self._max_attempts, startup_timeout_s=self._startup_timeout_s
            )
            self._crew.start()
        except BaseException:
            self.close()
            raise

    def submit(self, task: Task) -> None:
        """See `Pool.submit`."""
        if self._crew is None:
            raise PoolError("the pool is not started, or is closed; call start() before submit()")
        if task.lane not in self._queues:
            raise ValueError(f"lane {task.lane!r} was not started; started lanes: {', '.join(self._queues)}")
        attempt = Attempt(task=task, key=next(self._keys), payload=pickled(task.payload))
        self._queues[task.lane].append(attempt)
        self._dispatch()

    def wait(self, timeout_s: float) -> list[Completion]:
        """See `Pool.wait`."""
        give_up = time.monotonic() + timeout_s
        while self._crew is not None:
            self._crew.check()
            if self._watch.is_head_silent:
                if time.monotonic() >= give_up:
                    return []
                time.sleep(min(_TICK_S, timeout_s))
                continue
            self._lost.ask_again()
            self._dispatch()
            if not self.in_flight:
                give_up = time.monotonic()
            became_ready = False
            completions: list[Completion] = []
            for reference in self._next_ready(give_up):
                news = self._collect(reference)
                became_ready |= news is None
                completions.extend(news or ())
            completions.extend(self._expire())
            self._dispatch()
            if completions or self._has_news(became_ready) or time.monotonic() >= give_up:
                return completions
        return []

    def free(self, lane: LaneName) -> int:
        """See `Pool.free`."""
        crew = self._crew
        idle = 0 if crew is None else sum(crew.is_available(s) for s in crew.slots if s.lane_name == lane)
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
        self._watch.stop()
        if ray.is_initialized() and not self._watch.is_head_silent:  # else they end with this connection
            for slot in self._slots:
                slot.kill()
            self._lost.end()
        self._crew = None
        self._queues.clear()
        self._session.close()
        if is_local:
            _kill_remaining(pids)

    @property
    def _slots(self) -> list[Slot]:
        return [] if self._crew is None else self._crew.slots

    def _with_num_workers(self, lanes: Mapping[LaneName, Lane]) -> dict[LaneName, Lane]:
        resolved = dict(lanes)
        if self._num_workers is not None and "quality" in resolved:
            resolved["quality"] = replace(resolved["quality"], num_workers=self._num_workers)
        return resolved

    def _filling(self, lanes: Mapping[LaneName, Lane]) -> dict[LaneName, Lane]:
        """The lanes with as many quality workers as the cluster has room for now."""
        resolved = dict(lanes)
        if "quality" in resolved:
            room = room_for(resolved["quality"], self._gpus_per_worker, self._watch.nodes)
            resolved["quality"] = replace(
                resolved["quality"], num_workers=max(resolved["quality"].num_workers, room)
            )
        return resolved

    def _next_ready(self, give_up: float) -> list[ray.ObjectRef[Any]]:
        references = [slot.reference for slot in self._slots if slot.reference is not None]
        references += self._lost.references
        overdue = (slot.overdue_at for slot in self._slots if slot.overdue_at is not None)
        until = min([give_up, time.monotonic() + _TICK_S, *overdue])
        left_s = max(0.0, until - time.monotonic())
        if not references:
            time.sleep(left_s)  # all is queued for workers that are about to be started
            return []
        ready, _ = ray.wait(references, timeout=left_s)
        if ready:
            ready, _ = ray.wait(references, num_returns=len(references), timeout=0)
        return list(ready)

    def _has_news(self, became_ready: bool) -> bool:
        return became_ready and any(self.free(lane) for lane in self._queues)

    # Dispatching

    def _dispatch(self) -> None:
        assert self._crew is not None
        if not any(self._queues.values()):
            return
        for slot in sorted(self._slots, key=lambda slot: not slot.lane.exclusive):
            queue = self._queues[slot.lane_name]
            if queue and self._crew.is_available(slot) and self._may_run(slot):
                slot.run(queue.popleft())

    def _may_run(self, slot: Slot) -> bool:
        neighbours = [other for other in self._slots if other is not slot and other.node_id == slot.node_id]
        if slot.lane.exclusive:
            return not any(other.is_busy for other in neighbours)
        return not any(
            other.lane.exclusive and (other.is_busy or self._queues[other.lane_name]) for other in neighbours
        )

    # Collecting

    def _collect(self, reference: Any) -> list[Completion] | None:
        """Read one answer: completions, or None where all it says is that a worker is free."""
        assert self._crew is not None
        slot = next((slot for slot in self._slots if slot.reference == reference), None)
        if slot is None:
            return self._collect_late(reference)
        if slot.is_starting:
            return None if self._crew.take_start(slot) else []
        if slot.attempt is None:
            return self._collect_disowned(slot)
        try:
            outcome: Outcome = ray.get(reference)
        except ray.exceptions.RayError as error:
            return [self._lose(slot, error)]
        attempt, worker = slot.attempt, str(slot.identity)
        slot.finish()
        return [self._settle(attempt, outcome, worker)]

    def _collect_disowned(self, slot: Slot) -> list[Completion] | None:
        try:
            ray.get(slot.reference)
        except ray.exceptions.RayError:
            slot.spawn()
            return []
        slot.finish()
        return None

    def _collect_late(self, reference: Any) -> list[Completion]:
        late = self._lost.take(reference)
        if late is None:
            return []
        lost, outcome = late
        queue = self._queues[lost.attempt.task.lane]
        for attempt in [attempt for attempt in queue if attempt.key == lost.attempt.key]:
            queue.remove(attempt)
        for slot in self._slots:
            if slot.attempt is not None and slot.attempt.key == lost.attempt.key:
                slot.disown()
        return [self._settle(lost.attempt, outcome, lost.worker)]

    def _settle(self, attempt: Attempt, outcome: Outcome, worker: str) -> Completion:
        result, failure = None, outcome.failure
        if outcome.result is not None:
            try:
                result = cloudpickle.loads(outcome.result)
            except Exception as error:  # noqa: BLE001  # a result's own unpickling code may raise anything
                failure = describe_failure(error)
        completion = self._completed(attempt, failure, worker=worker, seconds=outcome.seconds)
        return replace(completion, result=result)

    def _lose(self, slot: Slot, error: ray.exceptions.RayError) -> Completion:
        """Give up an attempt whose worker does not answer, and replace the worker."""
        attempt, worker, since = slot.attempt, str(slot.identity), slot.since
        assert attempt is not None
        reason = loss_reason(error)
        is_on_leaving_node = getattr(error, "preempted", False) or self._watch.is_draining(slot.node_id)
        is_preempted = reason == "worker_lost" and is_on_leaving_node
        _LOGGER.warning("task %d lost on %s (%s)", attempt.task.number, worker, reason)
        if isinstance(error, ray.exceptions.ActorUnavailableError):
            self._lost.add(slot.give_up(is_answered=True))
        slot.spawn()
        failure = Failure(reason=reason, message=str(error))
        seconds = time.monotonic() - since
        return self._completed(attempt, failure, worker=worker, seconds=seconds, is_preempted=is_preempted)

    def _completed(
        self,
        attempt: Attempt,
        failure: Failure | None,
        *,
        worker: str,
        seconds: float,
        is_preempted: bool = False,
    ) -> Completion:
        """Note the end of an attempt, and queue the next one if there is to be one."""
        following = attempt.after(is_preempted=is_preempted)
        charged = attempt.number - following.preempted
        retrying = failure is not None and failure.is_retried and charged < self._max_attempts
        if retrying:
            self._queues[attempt.task.lane].appendleft(following)
        else:
            self._lost.drop(attempt.key)
        return Completion(
            task=attempt.task,
            attempt=attempt.number,
            result=None,
            failure=failure,
            retrying=retrying,
            worker=worker,
            seconds=seconds,
        )

    # Deadlines

    def _expire(self) -> Iterator[Completion]:
        """Give up what is overdue, and what is on a node that goes now."""
        now = time.monotonic()
        for slot in list(self._slots):
            drained_at = self._watch.drain_deadline(slot.node_id)
            if slot.overdue_at is not None and slot.overdue_at <= now:
                yield from self._end_overdue(slot)
            elif slot.attempt is not None and drained_at is not None and drained_at <= now:
                yield self._preempt(slot)

    def _end_overdue(self, slot: Slot) -> Iterator[Completion]:
        attempt, worker, seconds = slot.attempt, str(slot.identity), time.monotonic() - slot.since
        slot.spawn()
        if attempt is not None:
            _LOGGER.warning("task %d is overdue on %s; the worker is ended", attempt.task.number, worker)
            message = f"no result after {attempt.task.timeout_s:g} s; the worker was ended"
            failure = Failure(reason="timeout", message=message)
            yield self._completed(attempt, failure, worker=worker, seconds=seconds)

    def _preempt(self, slot: Slot) -> Completion:
        lost = slot.give_up(is_answered=False)
        self._lost.add(lost)
        slot.spawn()
        failure = Failure(
            reason="worker_lost", message="the node of the worker was drained before the result came"
        )
        seconds = time.monotonic() - lost.since
        return self._completed(lost.attempt, failure, worker=lost.worker, seconds=seconds, is_preempted=True)

    def _local_pids(self) -> list[int]:
        hostname = socket.gethostname()
        identities = [slot.identity for slot in self._slots if slot.identity is not None]
        return [identity.pid for identity in identities if identity.hostname == hostname]


def _kill_remaining(pids: list[int]) -> None:
    """End workers of a cluster that is gone; Ray does not wait for those that are stopped or swapped out."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
