"""What the workers of a search do: a lane for quality, and one for latency."""

from __future__ import annotations

from typing import Any, Final

from nas.evaluation import Evaluator, LatencyEvaluation, Target, shared_weights, skeleton_of
from nas.supernet import Supernet
from workers import Lane, LaneName, Pool

#: Ray resource that a node which measures latency offers once: `--resources '{"latency_slot": 1}'`.
LATENCY_SLOT: Final = "latency_slot"


def start_pool(
    pool: Pool, supernet: Supernet, evaluator: Evaluator, latency: LatencyEvaluation | None
) -> None:
    """Start a pool's workers; its own settings say how many evaluate quality.

    Raises:
        PoolError: a worker could not be started.
    """
    skeleton = skeleton_of(supernet)
    lanes: dict[LaneName, Lane] = {"quality": Lane(factory=evaluator.factory(skeleton), num_workers=1)}
    if latency is not None:
        lanes["latency"] = Lane(
            factory=latency.factory(skeleton),
            num_workers=1,
            threads=latency.target.threads,
            labels=latency.target.labels,
            **_place(latency.target),
            gpus=0 if latency.target.device == "cpu" else None,
        )
    pool.start(lanes, shared_weights(supernet, evaluator.weights_dtype))


def _place(target: Target) -> dict[str, Any]:
    """A device that is reached by labels serves one measurement at a time, whichever search it is for."""
    return {"exclusive": True, "resources": {LATENCY_SLOT: 1.0}} if target.labels else {}
