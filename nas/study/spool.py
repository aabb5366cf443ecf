"""A pool as a driver uses it: it heeds commands, and goes on while nothing can be recorded."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping

from nas.study.control import Orders
from workers import Completion, Lane, LaneName, Pool, Task
from workers.regions import Shared


class OverdueError(Exception):
    """The search was halted, and the time for what is in flight is over; never leaves the driver."""


class Spool(Pool):
    """Passes everything on to a pool, and keeps what ends while the database is away.

    Args:
        pool: started and closed by its owner.
        orders: looked at whenever the pool is waited for.
    """

    def __init__(self, pool: Pool, orders: Orders) -> None:
        self._pool, self._orders = pool, orders
        self._kept: deque[Completion] = deque()

    def listen(self, seconds: float) -> None:
        """Let time pass while the database is away: deadlines hold, what ends is kept for `wait`."""
        until = time.monotonic() + seconds
        if self._pool.in_flight:
            self._orders.look()
            self._kept.extend(self._pool.wait(seconds))
        time.sleep(max(0.0, until - time.monotonic()))

    def wait(self, timeout_s: float) -> list[Completion]:
        """As the pool's, what was kept first.

        Raises:
            OverdueError: the search was halted and its grace is over.
        """
        self._orders.look()
        if self._kept:
            return self.kept()
        if self._orders.is_overdue:
            raise OverdueError
        return self._pool.wait(timeout_s)

    def kept(self) -> list[Completion]:
        """Take what was kept."""
        kept = list(self._kept)
        self._kept.clear()
        return kept

    def start(self, lanes: Mapping[LaneName, Lane], arrays: Shared) -> None:
        """See `Pool.start`."""
        self._pool.start(lanes, arrays)

    def submit(self, task: Task) -> None:
        """See `Pool.submit`."""
        self._pool.submit(task)

    def free(self, lane: LaneName) -> int:
        """See `Pool.free`."""
        return self._pool.free(lane)

    @property
    def in_flight(self) -> int:
        """See `Pool.in_flight`; what is kept was not returned yet either."""
        return self._pool.in_flight + sum(not completion.retrying for completion in self._kept)

    def worker_ids(self) -> list[str]:
        """See `Pool.worker_ids`."""
        return self._pool.worker_ids()

    def close(self) -> None:
        """Nothing: the pool belongs to somebody else."""
