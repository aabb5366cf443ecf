"""Whether a cluster has a node for the workers of each lane, told before anything waits for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from workers.protocol import Lane, LaneName, PlacementError
from workers.ray_cluster import Node

_RAYS_OWN_LABEL = "ray.io/"


def check_placement(lanes: Mapping[LaneName, Lane], gpus_per_worker: float, nodes: Sequence[Node]) -> None:
    """Check that one worker of each lane fits on some node; a worker needs all that it needs on one node.

    Raises:
        PlacementError: no node is large enough for a lane, or none has its labels.
    """
    for name, lane in lanes.items():
        needs = needs_of(lane, gpus_per_worker)
        labelled = [node for node in nodes if _has_labels(node, lane.labels)]
        if not labelled:
            raise PlacementError(
                f"lane {name!r} needs a node with the labels {_shown(lane.labels)}, and no node has them. "
                f"{_offers(nodes)} Start a node with them (ray start --labels), or ask for other ones"
            )
        if not any(_fits(node, needs) for node in labelled):
            raise PlacementError(
                f"a worker of lane {name!r} needs {_shown(needs)} on one node{_with(lane.labels)}, and no "
                f"node has so much. {_offers(nodes)} Ask for fewer threads or GPUs, or add a larger node"
            )


def room_for(lane: Lane, gpus_per_worker: float, nodes: Sequence[Node]) -> int:
    """How many workers of a lane the nodes with its labels have room for, if nothing else were on them."""
    needs = {name: amount for name, amount in needs_of(lane, gpus_per_worker).items() if amount > 0}
    labelled = (node for node in nodes if _has_labels(node, lane.labels))
    return sum(
        min(int(node.resources.get(name, 0.0) / amount) for name, amount in needs.items())
        for node in labelled
        if needs
    )


def needs_of(lane: Lane, gpus_per_worker: float) -> dict[str, float]:
    """Ray resources that one worker of a lane occupies."""
    gpus = gpus_per_worker if lane.gpus is None else lane.gpus
    needs: dict[str, float] = {"CPU": lane.num_cpus} | ({"GPU": gpus} if gpus else {})
    return needs | dict(lane.resources)


def total_of(needs: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Sum by resource."""
    total: dict[str, float] = {}
    for one in needs:
        for name, amount in one.items():
            total[name] = total.get(name, 0.0) + amount
    return total


def _fits(node: Node, needs: Mapping[str, float]) -> bool:
    return all(node.resources.get(name, 0.0) >= amount for name, amount in needs.items())


def _has_labels(node: Node, labels: Mapping[str, str]) -> bool:
    return all(node.labels.get(key) == value for key, value in labels.items())


def _offers(nodes: Sequence[Node]) -> str:
    if not nodes:
        return "The cluster has no nodes."
    shown = []
    for node in nodes:
        labels = {key: value for key, value in node.labels.items() if not key.startswith(_RAYS_OWN_LABEL)}
        shown.append(f"{node.address} offers {_shown(node.resources) or 'nothing'}{_with(labels)}")
    return f"The cluster's nodes: {'; '.join(sorted(shown))}."


def _with(labels: Mapping[str, str]) -> str:
    return f" with labels {_shown(labels)}" if labels else ""


def _shown(entries: Mapping[str, object]) -> str:
    return ", ".join(
        f"{name}={value:g}" if isinstance(value, int | float) else f"{name}={value}"
        for name, value in sorted(entries.items())
    )
