"""Which lanes fit on which nodes, and what is said when none does."""

from __future__ import annotations

import pytest

from workers import Lane, PlacementError
from workers.placement import check_placement, room_for
from workers.ray_cluster import Node

HEAD = Node(identity="00", address="10.0.0.1")
LARGE = Node(identity="01", address="10.0.0.2", labels={"zone": "a"}, resources={"CPU": 8, "GPU": 1})
EDGE = Node(
    identity="02",
    address="10.0.0.3",
    labels={"target": "edge", "ray.io/node-id": "02"},
    resources={"CPU": 2, "latency_slot": 1},
)
NODES = (HEAD, LARGE, EDGE)


def lane(**options: object) -> Lane:
    return Lane(factory=lambda arrays: lambda payload: payload, num_workers=1, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [
        {"threads": 8},
        {"gpus": 0.5},
        {"threads": 2, "labels": {"target": "edge"}, "resources": {"latency_slot": 1.0}},
        {"threads": 64, "cpus": 0},
    ],
)
def test_a_lane_fits_where_one_node_has_all_that_a_worker_needs(options: dict[str, object]) -> None:
    check_placement({"quality": lane(**options)}, 0, NODES)


def test_what_two_nodes_have_together_is_not_enough() -> None:
    with pytest.raises(
        PlacementError, match="needs CPU=8, latency_slot=1 on one node, and no node has so much"
    ):
        check_placement({"latency": lane(threads=8, resources={"latency_slot": 1.0})}, 0, NODES)


def test_a_label_that_no_node_has_is_told_with_the_labels_that_there_are() -> None:
    with pytest.raises(PlacementError, match="labels target=phone, and no node has them") as told:
        check_placement({"latency": lane(labels={"target": "phone"})}, 0, NODES)
    assert "10.0.0.2 offers CPU=8, GPU=1 with labels zone=a" in str(told.value)
    assert "10.0.0.3 offers CPU=2, latency_slot=1 with labels target=edge." in str(told.value)
    assert "10.0.0.1 offers nothing" in str(told.value)


def test_a_node_with_the_label_must_also_be_large_enough() -> None:
    with pytest.raises(PlacementError, match="needs CPU=4 on one node with labels target=edge"):
        check_placement({"latency": lane(threads=4, labels={"target": "edge"})}, 0, NODES)


def test_the_gpus_of_the_pool_are_those_of_each_lane_that_names_none() -> None:
    with pytest.raises(PlacementError, match="needs CPU=1, GPU=2 on one node"):
        check_placement({"quality": lane(), "latency": lane(gpus=0)}, 2, NODES)
    check_placement({"latency": lane(gpus=0)}, 2, NODES)


@pytest.mark.parametrize("value", ["in(a,b)", "!a", "", "a" * 64, "-a"])
def test_a_label_of_a_lane_is_a_plain_value(value: str) -> None:
    with pytest.raises(ValueError, match="label 'zone'"):
        lane(labels={"zone": value})


@pytest.mark.parametrize("name", ["gpus", "cpus"])
def test_a_lane_refuses_less_than_no_processor(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} of a lane is -1"):
        lane(**{name: -1})


@pytest.mark.parametrize(
    ("options", "gpus", "expected"),
    [
        ({}, 0, 10),
        ({"threads": 3}, 0, 2),
        ({}, 0.25, 4),
        ({"labels": {"target": "edge"}, "resources": {"latency_slot": 1.0}}, 0, 1),
        ({"labels": {"target": "phone"}}, 0, 0),
    ],
)
def test_room_is_counted_node_by_node(options: dict[str, object], gpus: float, expected: int) -> None:
    assert room_for(lane(**options), gpus, NODES) == expected
