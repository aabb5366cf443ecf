"""Starting the workers of a pool: what they share, what they occupy, and waiting until they are ready."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import ray

from workers.actor import Blueprint, pickled
from workers.protocol import Lane, LaneName, PoolError
from workers.regions import FileRegion, Shared
from workers.slots import Slot

_STORE_HEADROOM_BYTES = 256 * 2**20
_STORE_SLACK = 1.25


@dataclass(frozen=True, kw_only=True)
class LocalResources:
    """What a cluster that is started for one pool offers: exactly what its workers occupy."""

    num_cpus: int
    object_store_bytes: int
    custom: Mapping[str, float] = field(default_factory=dict)


def local_resources(lanes: Mapping[LaneName, Lane], arrays: Shared) -> LocalResources:
    """Add up what the lanes and the arrays need; regions of files need no room in the object store."""
    num_bytes = sum(array.nbytes for array in arrays.values() if isinstance(array, np.ndarray))
    return LocalResources(
        num_cpus=sum(lane.threads * lane.num_workers for lane in lanes.values()),
        object_store_bytes=int(num_bytes * _STORE_SLACK) + _STORE_HEADROOM_BYTES,
        custom=_custom_resources([lane for lane in lanes.values() for _ in range(lane.num_workers)]),
    )


def create_slots(
    lanes: Mapping[LaneName, Lane], arrays: Shared, *, gpus_per_worker: float, is_local: bool
) -> list[Slot]:
    """Share the arrays, one copy a node, and make the slots; nothing is spawned yet.

    That copy lies in the node's object store, or on this machine in the file of a region.
    """
    references = {name: _shared(source, is_local=is_local) for name, source in arrays.items()}
    import_paths = [os.path.abspath(path) for path in sys.path]
    slots = []
    for name, lane in lanes.items():
        blueprint = Blueprint(
            factory=ray.put(pickled(lane.factory)),
            arrays=references,
            import_paths=import_paths,
            threads=lane.threads,
        )
        slots += [
            Slot(lane_name=name, lane=lane, blueprint=blueprint, gpus=gpus_per_worker)
            for _ in range(lane.num_workers)
        ]
    return slots


def await_start(slots: list[Slot], timeout_s: float) -> None:
    """Wait until every spawned slot is ready.

    Raises:
        PoolError: one did not start, or not in time.
    """
    give_up = time.monotonic() + timeout_s
    waiting = {slot.reference: slot for slot in slots}
    while waiting:
        ready, _ = ray.wait(list(waiting), timeout=max(0.0, give_up - time.monotonic()))
        if not ready:
            raise PoolError(
                f"{len(waiting)} of {len(slots)} workers were not ready after {timeout_s:g} s. "
                f"All workers together need {_needs(slots)}; the cluster has {_offers()}. "
                f"Ask for fewer workers or threads, or raise startup_timeout_s"
            )
        slot = waiting.pop(ready[0])
        problem = slot.read_start()
        if problem is not None:
            cause = problem.traceback or problem.message
            raise PoolError(f"a worker of lane {slot.lane_name!r} could not start: {cause}")


def _shared(source: np.ndarray | FileRegion, *, is_local: bool) -> Any:
    """What a blueprint carries: a region of a file that every worker sees, else an object reference."""
    if not isinstance(source, FileRegion):
        return ray.put(source)
    return source if is_local else ray.put(source.read())


def _needs(slots: list[Slot]) -> dict[str, float]:
    needs: dict[str, float] = {"CPU": sum(slot.lane.threads for slot in slots)}
    if any(slot.gpus for slot in slots):
        needs["GPU"] = sum(slot.gpus for slot in slots)
    return needs | _custom_resources([slot.lane for slot in slots])


def _offers() -> dict[str, float]:
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]  # Ray leaves it bare
    internal = ("node:", "memory", "object_store_memory")
    return {name: amount for name, amount in resources.items() if not name.startswith(internal)}


def _custom_resources(lanes: list[Lane]) -> dict[str, float]:
    total: dict[str, float] = {}
    for lane in lanes:
        for name, amount in lane.resources.items():
            total[name] = total.get(name, 0.0) + amount
    return total
