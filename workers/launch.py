"""What the workers of a pool share and occupy."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import ray

from workers.actor import Blueprint, pickled
from workers.placement import needs_of, total_of
from workers.protocol import Lane, LaneName
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


def local_resources(
    lanes: Mapping[LaneName, Lane], arrays: Shared, gpus_per_worker: float = 0
) -> LocalResources:
    """Add up what the lanes and the arrays need; regions of files need no room in the object store."""
    num_bytes = sum(array.nbytes for array in arrays.values() if isinstance(array, np.ndarray))
    total = total_of(
        needs_of(lane, gpus_per_worker) for lane in lanes.values() for _ in range(lane.num_workers)
    )
    return LocalResources(
        num_cpus=math.ceil(total.pop("CPU", 0)),
        object_store_bytes=int(num_bytes * _STORE_SLACK) + _STORE_HEADROOM_BYTES,
        custom={name: amount for name, amount in total.items() if name != "GPU"},
    )


def create_slots(
    lanes: Mapping[LaneName, Lane], arrays: Shared, *, gpus_per_worker: float, is_local: bool
) -> list[Slot]:
    """Share the arrays, one copy a node, and make the slots; nothing is spawned yet.

    That copy lies in the node's object store, or, where the file of a region is seen, in that file. The slots
    begin with one of each lane, lanes that fewer nodes can take first.
    """
    regions = {name: source for name, source in arrays.items() if isinstance(source, FileRegion)}
    copied = {name: source for name, source in arrays.items() if not (is_local and name in regions)}
    references = {
        name: ray.put(source.read() if isinstance(source, FileRegion) else source)
        for name, source in copied.items()
    }
    import_paths = [os.path.abspath(path) for path in sys.path]
    rows = []
    for name, lane in sorted(lanes.items(), key=lambda item: not (item[1].labels or item[1].resources)):
        blueprint = Blueprint(
            factory=ray.put(pickled(lane.factory)),
            arrays=references,
            regions=regions,
            import_paths=import_paths,
            threads=lane.threads,
        )
        gpus = gpus_per_worker if lane.gpus is None else lane.gpus
        rows.append(
            [Slot(lane_name=name, lane=lane, blueprint=blueprint, gpus=gpus) for _ in range(lane.num_workers)]
        )
    return [row[0] for row in rows] + [slot for row in rows for slot in row[1:]]
