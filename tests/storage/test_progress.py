"""How far studies are, counted without reading their trials."""

from __future__ import annotations

from collections.abc import Callable

from storage import Lease, Ledger, Proposal

MakeProposal = Callable[..., Proposal]


def test_done_and_paused_trials_count_and_no_others(
    ledger: Ledger, lease: Lease, proposal: MakeProposal
) -> None:
    ledger.propose(lease, [proposal(name) for name in "abcd"])
    for number in (0, 1, 2):
        ledger.dispatch(lease, number)
    ledger.complete(lease.study_id, 0, {"a": 1.0}, seconds=1.0)
    ledger.pause(lease, 1, {"a": 0.5}, reason="dominated")
    ledger.fail(lease, 2, reason="oom", message="too large")
    [study] = ledger.studies()
    assert ledger.count_evaluated([study.name]) == {study.name: 2}


def test_a_study_without_trials_counts_none_and_an_unknown_one_is_left_out(
    ledger: Ledger, lease: Lease
) -> None:
    [study] = ledger.studies()
    assert ledger.count_evaluated([study.name, "no such study"]) == {study.name: 0}
