"""Targets over REST: registered by the operator, seen by everybody."""

from __future__ import annotations

import pytest

from nas.evaluation import Target
from storage import LatencyRecord, Ledger

TARGETS = "/api/v1/targets"
EDGE = {"batch_size": 1, "sequence_length": 16, "labels": {"device": "edge"}}


@pytest.fixture(scope="module")
def tiny_study(tmp_path_factory):
    """An empty database: what is tested here needs no study."""
    folder = tmp_path_factory.mktemp("empty")
    Ledger.open(f"sqlite:///{folder / 'nas.db'}").close()
    (folder / "artifacts").mkdir()
    return folder


@pytest.fixture
def measured(app):
    """Ten measurements of one device, of three shapes, the last one disturbed."""
    ledger = app.state.service.ledger
    target = Target(name="here", sequence_length=16)
    for number in range(10):
        ledger.put_latency(
            LatencyRecord(
                shape_key=f"shape-{number % 3}",
                target="0123456789abcdef",
                workload_sha256=target.workload_sha256,
                statistics={"p50_ms": 1.0 + number},
                quality_flag="contended" if number == 9 else "ok",
                device={"device": "cpu", "threads": 1},
                valid=number < 9,
            )
        )


def test_a_target_is_registered_and_found(admin_api, api):
    stored = admin_api.put(f"{TARGETS}/edge", json=EDGE)
    assert stored.status_code == 200
    found = api("alice").get(f"{TARGETS}/edge").json()
    assert (found["name"], found["sequence_length"], found["labels"]) == ("edge", 16, {"device": "edge"})
    assert found["reached"] == "Ray node device=edge"
    assert found == stored.json()


def test_a_target_takes_the_place_of_another_one(admin_api):
    admin_api.put(f"{TARGETS}/edge", json=EDGE)
    admin_api.put(f"{TARGETS}/edge", json=EDGE | {"batch_size": 4})
    [found] = admin_api.get(TARGETS).json()["targets"]
    assert found["batch_size"] == 4


def test_only_an_administrator_registers_targets(api):
    assert api("alice").put(f"{TARGETS}/edge", json=EDGE).status_code == 403


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("edge", EDGE | {"backend": "magic"}),
        ("edge", EDGE | {"unknown": 1}),
        ("edge", EDGE | {"name": "other"}),
        ("edge", EDGE | {"device_id": "../../etc"}),
        ("local", EDGE),
        ("a b", EDGE),
        ("..%2fetc", EDGE),
    ],
)
def test_a_target_that_is_not_allowed_is_refused(admin_api, name, body):
    assert admin_api.put(f"{TARGETS}/{name}", json=body).status_code in (404, 422)
    assert admin_api.get(TARGETS).json()["targets"] == []


@pytest.mark.parametrize("rest", ["", "/measurements"])
def test_an_unknown_target_is_not_found(api, rest):
    assert api("alice").get(f"{TARGETS}/nowhere{rest}").status_code == 404


@pytest.mark.usefixtures("measured")
def test_what_was_measured_is_told_of_the_target(admin_api):
    admin_api.put(f"{TARGETS}/here", json={"sequence_length": 16})
    [device] = admin_api.get(f"{TARGETS}/here").json()["devices"]
    page = admin_api.get(f"{TARGETS}/here/measurements", params={"limit": 1000}).json()
    assert (device["device_id"], device["shapes"]) == ("0123456789abcdef", 3)
    assert (page["total"], page["next_page_token"]) == (10, None)
    assert [one["is_valid"] for one in page["measurements"]] == [False] + 9 * [True]


@pytest.mark.usefixtures("measured")
def test_measurements_are_paged_from_the_newest(admin_api):
    admin_api.put(f"{TARGETS}/here", json={"sequence_length": 16})
    address = f"{TARGETS}/here/measurements"
    whole = admin_api.get(address, params={"limit": 1000}).json()["measurements"]
    seen, token = [], None
    while not seen or token is not None:
        query = {"limit": 4} | ({} if token is None else {"page_token": token})
        page = admin_api.get(address, params=query).json()
        seen, token = [*seen, *page["measurements"]], page["next_page_token"]
    assert seen == whole
    assert [one["statistics"]["p50_ms"] for one in whole] == [10.0 - n for n in range(10)]
