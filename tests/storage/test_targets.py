from __future__ import annotations

import pytest

from storage import Ledger, UnknownTargetError

EDGE = {"backend": "onnxruntime", "labels": {"device": "edge"}, "threads": 2, "z": 1e22, "a": None}


def test_a_target_is_read_back_as_it_was_put(ledger: Ledger) -> None:
    stored = ledger.put_target("edge", EDGE)
    assert (stored.name, stored.definition) == ("edge", EDGE)
    assert list(stored.definition) == list(EDGE)
    assert ledger.target("edge") == stored


def test_targets_are_listed_by_name(ledger: Ledger) -> None:
    for name in ("gpu", "cpu", "edge"):
        ledger.put_target(name, EDGE)
    assert [target.name for target in ledger.targets()] == ["cpu", "edge", "gpu"]


def test_a_target_that_is_put_again_replaces_the_older_one(ledger: Ledger) -> None:
    first = ledger.put_target("edge", EDGE)
    second = ledger.put_target("edge", {"threads": 4})
    assert second.definition == {"threads": 4}
    assert second.created_at == first.created_at
    assert ledger.targets() == [second]


def test_putting_the_same_again_logs_nothing(ledger: Ledger) -> None:
    for _ in range(2):
        ledger.put_target("edge", EDGE)
    assert [event.kind for event in ledger.events(None)] == ["target_stored"]


def test_a_deleted_target_is_unknown(ledger: Ledger) -> None:
    ledger.put_target("edge", EDGE)
    ledger.put_target("gpu", EDGE)
    ledger.delete_target("edge")
    for refused in (lambda: ledger.target("edge"), lambda: ledger.delete_target("edge")):
        with pytest.raises(UnknownTargetError, match=r"'edge'.*gpu"):
            refused()
    assert ledger.events(None)[-1].kind == "target_deleted"


@pytest.mark.parametrize(("name", "definition"), [("", {}), ("edge", {"a": float("inf")}), ("x" * 201, {})])
def test_a_target_that_can_not_be_stored_is_refused(
    ledger: Ledger, name: str, definition: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match=r"empty|JSON|201 characters"):
        ledger.put_target(name, definition)
    assert ledger.targets() == []
