"""What the workers of a search do: a lane for quality, and one for latency."""

from __future__ import annotations

from nas.evaluation import Evaluator, LatencyEvaluation, shared_weights, skeleton_of
from nas.supernet import Supernet
from workers import Lane, LaneName, Pool


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
            factory=latency.factory(skeleton), num_workers=1, threads=latency.target.threads
        )
    pool.start(lanes, shared_weights(supernet, evaluator.weights_dtype))
