"""Results as columns, read as they come."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from storage import Lease, Ledger, Proposal, Results

MakeProposal = Callable[..., Proposal]
NAMES = ("accuracy", "num_parameters")


@pytest.fixture
def told(ledger: Ledger, lease: Lease, proposal: MakeProposal) -> int:
    """A study whose trials 2 and 0 are done, 1 has failed and 3 waits."""
    costs = [{"num_parameters": value} for value in (10.0, 20.0, 1e22, 40.0)]
    ledger.propose(lease, [proposal(name, costs=cost) for name, cost in zip("abcd", costs, strict=True)])
    ledger.complete(lease.study_id, 2, {"accuracy": 0.25})
    ledger.fail(lease, 1, reason="oom", message="")
    ledger.complete(lease.study_id, 0, {"accuracy": 0.1})
    return lease.study_id


def test_results_are_columns_in_the_order_of_telling(ledger: Ledger, told: int) -> None:
    assert ledger.results(told, NAMES) == Results(
        numbers=(2, 0), values={"accuracy": (0.25, 0.1), "num_parameters": (1e22, 10.0)}, next_order=3
    )


def test_only_what_was_told_since_is_read(ledger: Ledger, told: int) -> None:
    known = ledger.results(told, NAMES).next_order
    assert ledger.results(told, NAMES, since=known).numbers == ()
    ledger.complete(told, 3, {"accuracy": 1.0})
    new = ledger.results(told, NAMES, since=known)
    assert (new.numbers, new.values["accuracy"], new.next_order) == ((3,), (1.0,), 4)


def test_a_metric_that_a_trial_lacks_is_none(ledger: Ledger, told: int) -> None:
    assert ledger.results(told, ["accuracy", "latency_ms"]).values["latency_ms"] == (None, None)


def test_a_metric_stands_before_a_cost_of_its_name(
    ledger: Ledger, lease: Lease, proposal: MakeProposal
) -> None:
    ledger.propose(lease, [proposal("a", costs={"macs": 1.0})])
    ledger.complete(lease.study_id, 0, {"macs": 2.0})
    assert ledger.results(lease.study_id, ["macs"]).values == {"macs": (2.0,)}


@pytest.mark.parametrize("name", ["a.b", "a b", "größe", "a'b", "%s", "$", "a:b", "0"])
def test_any_name_of_a_metric_is_found(
    ledger: Ledger, lease: Lease, proposal: MakeProposal, name: str
) -> None:
    ledger.propose(lease, [proposal("a")])
    ledger.complete(lease.study_id, 0, {name: 0.5})
    assert ledger.results(lease.study_id, [name]).values == {name: (0.5,)}


def test_a_name_that_no_path_can_hold_is_refused(ledger: Ledger, told: int) -> None:
    with pytest.raises(ValueError, match="quotation marks"):
        ledger.results(told, ['"'])


def test_values_are_exact(ledger: Ledger, lease: Lease, proposal: MakeProposal) -> None:
    values = (0.1, 5e-324, 1e308, 1 / 3, -0.0, 2.0**53 + 2)
    ledger.propose(lease, [proposal(str(number)) for number in range(len(values))])
    for number, value in enumerate(values):
        ledger.complete(lease.study_id, number, {"a": value})
    assert ledger.results(lease.study_id, ["a"]).values["a"] == values
