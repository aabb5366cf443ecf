"""The workers of all lanes of a pool: which are ready, which join later, and when a lane has none left."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Final

import ray

from workers.placement import needs_of, total_of
from workers.protocol import Failure, LaneName, PoolError
from workers.ray_cluster import ClusterWatch
from workers.slots import Slot

_LOGGER = logging.getLogger(__name__)
_TICK_S: Final = 1.0


class Crew:
    """Starts workers and replaces lost ones.

    A worker may wait for a place as long as its lane has another one; a lane without any waits for
    `startup_timeout_s`. A worker whose process fails `max_starts` times in a row is not started again.
    """

    def __init__(
        self, slots: Sequence[Slot], watch: ClusterWatch, *, max_starts: int, startup_timeout_s: float
    ) -> None:
        self.slots = list(slots)
        self._watch = watch
        self._max_starts = max_starts
        self._startup_timeout_s = startup_timeout_s
        self._unmanned_since: dict[LaneName, float] = {slot.lane_name: time.monotonic() for slot in slots}

    def start(self) -> None:
        """Start all workers and wait for one of each lane.

        Raises:
            PoolError: a lane has none in time, or its factory raised.
        """
        for slot in self.slots:
            slot.spawn()
        while self._unmanned_since:
            starting = {slot.reference: slot for slot in self.slots if slot.is_starting}
            ready, _ = ray.wait(list(starting), num_returns=1, timeout=_TICK_S)
            for reference in ready:
                self._take_first(starting[reference])
            self.check()

    def take_start(self, slot: Slot) -> bool:
        """Read the answer of a worker that was started, and start it again if it failed.

        Returns:
            Whether it is ready.

        Raises:
            PoolError: the lane has no worker left that can be started.
        """
        problem = slot.read_start()
        if problem is not None:
            self._start_again(slot, problem)
        return problem is None

    def check(self) -> None:
        """Look after what no answer tells: the head, lanes without workers, nodes that are to go.

        Raises:
            PoolError: a lane was without any worker for too long.
            HeadLostError: the head does not answer.
        """
        self._watch.check_head()
        if self._watch.is_head_silent:
            return
        for slot in self.slots:
            if slot.is_idle and self._watch.is_draining(slot.node_id):
                _LOGGER.info("worker %s leaves node %s, which is drained", slot.identity, slot.node_id)
                slot.spawn()
        manned = {slot.lane_name for slot in self.slots if not slot.is_starting}
        now = time.monotonic()
        for lane in {slot.lane_name for slot in self.slots}:
            if lane in manned:
                self._unmanned_since.pop(lane, None)
            elif now - self._unmanned_since.setdefault(lane, now) >= self._startup_timeout_s:
                raise PoolError(self._unmanned_message(lane))

    def is_available(self, slot: Slot) -> bool:
        """Whether a worker may get a task."""
        return slot.is_idle and not self._watch.is_draining(slot.node_id)

    def _take_first(self, slot: Slot) -> None:
        problem = slot.read_start()
        if problem is None:
            return
        if problem.traceback:
            raise PoolError(f"a worker of lane {slot.lane_name!r} could not start: {problem.traceback}")
        self._start_again(slot, problem)

    def _start_again(self, slot: Slot, problem: Failure) -> None:
        slot.failed_starts += 1
        if slot.failed_starts < self._max_starts:
            slot.spawn()
            return
        slot.kill()
        self.slots.remove(slot)
        if not any(other.lane_name == slot.lane_name for other in self.slots):
            cause = problem.traceback or problem.message
            raise PoolError(f"no worker of lane {slot.lane_name!r} starts any more: {cause}")
        _LOGGER.warning("lane %s goes on with a worker less: %s", slot.lane_name, problem.message)

    def _unmanned_message(self, lane: LaneName) -> str:
        slots = [slot for slot in self.slots if slot.lane_name == lane]
        offers = total_of(node.resources for node in self._watch.nodes)
        return (
            f"lane {lane!r} had no worker for {self._startup_timeout_s:g} s. Each of its {len(slots)} "
            f"workers needs {needs_of(slots[0].lane, slots[0].gpus)}; all nodes together have {offers}, "
            "some of it perhaps in use. Free or add a node, ask for fewer workers, or raise startup_timeout_s"
        )
