from __future__ import annotations

from collections.abc import Callable

import pytest

from storage import DuplicateKeyError, Lease, Ledger, Proposal, TrialState, UnknownTrialError

MakeProposal = Callable[..., Proposal]


def test_numbers_count_on_over_batches(ledger: Ledger, lease: Lease, proposal: MakeProposal) -> None:
    first = ledger.propose(lease, [proposal("a"), proposal("b")])
    second = ledger.propose(lease, [proposal("c")])
    assert [trial.number for trial in first + second] == [0, 1, 2]


def test_studies_count_their_trials_apart(ledger: Ledger, lease: Lease, proposal: MakeProposal) -> None:
    ledger.propose(lease, [proposal("a")])
    ledger.create_study("other", spec={}, fingerprint={}, seed=0)
    other = ledger.acquire("other", owner="second")
    assert [trial.number for trial in ledger.propose(other, [proposal("a")])] == [0]


def test_what_is_returned_is_what_is_read(ledger: Ledger, lease: Lease, proposal: MakeProposal) -> None:
    proposed = ledger.propose(lease, [proposal("a"), proposal("b", state=TrialState.INFEASIBLE, reason="x")])
    assert ledger.trials(lease.study_id) == proposed
    assert ledger.trial(lease.study_id, 1) == proposed[1]


def test_parameters_come_back_exactly_and_in_order(
    ledger: Ledger, lease: Lease, proposal: MakeProposal
) -> None:
    parameters = {"z": 0.1 + 0.2, "a": 1e22, "m": 3, "k": "ünïcode", "e": 5e-324, "one": 1.0}
    ledger.propose(lease, [proposal(parameters=parameters)])
    read = ledger.trial(lease.study_id, 0).parameters
    assert list(read.items()) == list(parameters.items())
    assert [type(value) for value in read.values()] == [type(value) for value in parameters.values()]


def test_costs_are_floats_in_the_order_of_their_names(
    ledger: Ledger, lease: Lease, proposal: MakeProposal
) -> None:
    ledger.propose(lease, [proposal(costs={"parameters": 22_000_000, "macs": 1e22})])
    read = ledger.trial(lease.study_id, 0).costs
    assert list(read.items()) == [("macs", 1e22), ("parameters", 2.2e7)]
    assert all(type(value) is float for value in read.values())


def test_the_state_of_the_sampler_comes_with_the_proposals(
    ledger: Ledger, lease: Lease, proposal: MakeProposal
) -> None:
    ledger.propose(lease, [proposal("a")], sampler_state={"blob": "AA==", "cache": {"0": [1, 2]}})
    ledger.propose(lease, [proposal("b")], sampler_state={"blob": "BB=="})
    ledger.propose(lease, [proposal("c")])
    assert ledger.study("rte").sampler_state == {"blob": "BB=="}


def test_a_proposal_that_is_final_takes_its_place_in_the_order_of_telling(
    ledger: Ledger, lease: Lease, proposal: MakeProposal, duplicate: MakeProposal
) -> None:
    ledger.propose(
        lease,
        [
            proposal("a"),
            proposal("b", state=TrialState.INFEASIBLE),
            duplicate("a", metrics={"accuracy": 0.5}),
        ],
    )
    ledger.complete(lease.study_id, 0, {"accuracy": 0.5})
    trials = ledger.trials(lease.study_id)
    assert [trial.told_order for trial in trials] == [2, 0, 1]
    assert all(trial.ended_at is not None for trial in trials)


def test_a_sub_network_is_proposed_once(ledger: Ledger, lease: Lease, proposal: MakeProposal) -> None:
    ledger.propose(lease, [proposal("a")])
    with pytest.raises(DuplicateKeyError, match="key-a"):
        ledger.propose(lease, [proposal("a")])


def test_duplicates_may_share_their_key(
    ledger: Ledger, lease: Lease, proposal: MakeProposal, duplicate: MakeProposal
) -> None:
    ledger.propose(lease, [proposal("a"), duplicate("a"), duplicate("a")])
    assert [trial.reused_from for trial in ledger.trials(lease.study_id)] == [None, 0, 0]


def test_a_refused_batch_leaves_nothing_behind(ledger: Ledger, lease: Lease, proposal: MakeProposal) -> None:
    ledger.propose(lease, [proposal("a")])
    with pytest.raises(DuplicateKeyError):
        ledger.propose(lease, [proposal("b"), proposal("a")], sampler_state={"generation": 1})
    assert [trial.key for trial in ledger.trials(lease.study_id)] == ["key-a"]
    assert ledger.study("rte").sampler_state == {}
    assert [trial.number for trial in ledger.propose(lease, [proposal("b")])] == [1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": ""},
        {"key": "k" * 513},
        {"state": TrialState.DONE},
        {"state": TrialState.RUNNING},
        {"state": TrialState.DUPLICATE},
        {"reused_from": 0},
        {"state": TrialState.DUPLICATE, "reused_from": 5},
        {"state": TrialState.DUPLICATE, "reused_from": 1},
        {"metrics": {"accuracy": 1.0}},
        {"costs": {"macs": float("inf")}},
        {"parameters": {"a": float("nan")}},
        {"sampler_attributes": {"a": 1j}},
        {"config": {"a": "\0"}},
        {"origin": "\ud800"},
    ],
    ids=repr,
)
def test_a_proposal_that_makes_no_sense_is_refused(
    ledger: Ledger, lease: Lease, proposal: MakeProposal, wrong: dict[str, object]
) -> None:
    ledger.propose(lease, [proposal("a")])
    with pytest.raises(ValueError, match=r"."):
        ledger.propose(lease, [proposal(**({"name": "b"} | wrong))])
    assert len(ledger.trials(lease.study_id)) == 1


def test_trials_are_read_by_state_and_in_the_order_of_their_numbers(
    ledger: Ledger, lease: Lease, proposal: MakeProposal
) -> None:
    ledger.propose(lease, [proposal(name) for name in "abcd"])
    for number in (3, 1):
        ledger.dispatch(lease, number)
    ledger.complete(lease.study_id, 0, {"accuracy": 0.5})
    open_trials = ledger.trials(lease.study_id, states={TrialState.RUNNING, TrialState.PROPOSED})
    assert [trial.number for trial in open_trials] == [1, 2, 3]
    assert [trial.number for trial in ledger.trials(lease.study_id, states={TrialState.RUNNING})] == [1, 3]
    assert ledger.trials(lease.study_id, states=()) == []


def test_a_key_finds_the_trial_that_is_no_duplicate(
    ledger: Ledger, lease: Lease, proposal: MakeProposal, duplicate: MakeProposal
) -> None:
    ledger.propose(lease, [proposal("b"), proposal("a"), duplicate("a", of=1)])
    found = ledger.trial_by_key(lease.study_id, "key-a")
    assert found is not None
    assert found.number == 1
    assert ledger.trial_by_key(lease.study_id, "key-z") is None


def test_an_unknown_trial_is_refused(ledger: Ledger, lease: Lease) -> None:
    with pytest.raises(UnknownTrialError, match="no trial 4"):
        ledger.trial(lease.study_id, 4)
