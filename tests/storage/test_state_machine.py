"""Random histories of several drivers on one study, checked after every step."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import create_engine, text

from storage import (
    OPEN_STATES,
    DuplicateKeyError,
    FencedError,
    Lease,
    LeaseHeldError,
    Ledger,
    Proposal,
    TrialRecord,
    TrialState,
    TrialStateError,
)

NUMBERS = st.integers(0, 8)
KEYS = st.integers(0, 12)
VALUES = st.sampled_from([0.25, 0.5])


class DriversOfOneStudy(RuleBasedStateMachine):
    """The model is the last trials seen; the ledger's answers are predicted from it."""

    empty: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        shutil.copy(self.empty, self.folder / "nas.db")
        self.url = f"sqlite:///{self.folder / 'nas.db'}"
        self.ledger = Ledger.open(self.url)
        self.study_id = self.ledger.create_study("rte", spec={}, fingerprint={}, seed=0).id
        self.leases = [self.ledger.acquire("rte", owner="driver-1", seconds=600)]
        self.seen: list[TrialRecord] = []

    @property
    def lease(self) -> Lease:
        return self.leases[-1]

    def teardown(self) -> None:
        assert self.ledger.open_connections() == 0
        self.ledger.close()
        shutil.rmtree(self.folder)

    @rule(keys=st.lists(KEYS, min_size=1, max_size=3), is_infeasible=st.booleans())
    def propose(self, keys: list[int], is_infeasible: bool) -> None:
        known = {trial.key for trial in self.seen}
        given = [f"key-{key}" for key in keys]
        state = TrialState.INFEASIBLE if is_infeasible else TrialState.PROPOSED
        proposals = [_proposal(key, state) for key in given]
        if known.isdisjoint(given) and len(set(given)) == len(given):
            self.ledger.propose(self.lease, proposals)
        else:
            with pytest.raises(DuplicateKeyError):
                self.ledger.propose(self.lease, proposals)

    @precondition(lambda self: self.seen)
    @rule(number=NUMBERS)
    def repeat(self, number: int) -> None:
        source = self.seen[number % len(self.seen)]
        again = _proposal(source.key, TrialState.DUPLICATE, reused_from=source.number, metrics=source.metrics)
        self.ledger.propose(self.lease, [again])

    @precondition(lambda self: self.seen)
    @rule(number=NUMBERS)
    def dispatch(self, number: int) -> None:
        trial = self.seen[number % len(self.seen)]
        if trial.state in OPEN_STATES:
            assert self.ledger.dispatch(self.lease, trial.number) == trial.attempts + 1
        else:
            with pytest.raises(TrialStateError):
                self.ledger.dispatch(self.lease, trial.number)

    @precondition(lambda self: self.seen)
    @rule(number=NUMBERS, value=VALUES)
    def complete(self, number: int, value: float) -> None:
        trial = self.seen[number % len(self.seen)]
        answer = self.ledger.complete(self.study_id, trial.number, {"accuracy": value})
        if trial.state in OPEN_STATES:
            assert answer == "stored"
        else:
            is_equal = trial.state is TrialState.DONE and trial.metrics == {"accuracy": value}
            assert answer == ("repeated" if is_equal else "conflict")

    @precondition(lambda self: self.seen)
    @rule(number=NUMBERS)
    def fail(self, number: int) -> None:
        trial = self.seen[number % len(self.seen)]
        if trial.state in OPEN_STATES or trial.state is TrialState.FAILED:
            self.ledger.fail(self.lease, trial.number, reason="oom", message="")
        else:
            with pytest.raises(TrialStateError):
                self.ledger.fail(self.lease, trial.number, reason="oom", message="")

    @precondition(lambda self: self.seen)
    @rule(number=NUMBERS, value=VALUES)
    def pause(self, number: int, value: float) -> None:
        trial = self.seen[number % len(self.seen)]
        estimates = {"accuracy": value}
        is_paused_so = trial.state is TrialState.PAUSED and trial.metrics == estimates
        if trial.state is TrialState.RUNNING or is_paused_so:
            self.ledger.pause(self.lease, trial.number, estimates, reason="dominated by trial 0")
        else:
            with pytest.raises(TrialStateError):
                self.ledger.pause(self.lease, trial.number, estimates, reason="dominated by trial 0")

    @precondition(lambda self: self.seen)
    @rule(number=NUMBERS)
    def requeue(self, number: int) -> None:
        trial = self.seen[number % len(self.seen)]
        attempts = self.ledger.attempts(self.study_id, trial.number)
        was_lost = trial.state is TrialState.PROPOSED and attempts and attempts[-1].outcome == "worker_lost"
        if trial.state is TrialState.RUNNING or was_lost:
            self.ledger.requeue(self.lease, trial.number, outcome="worker_lost")
        else:
            with pytest.raises(TrialStateError):
                self.ledger.requeue(self.lease, trial.number, outcome="worker_lost")

    @rule(is_released=st.booleans())
    def take_over(self, is_released: bool) -> None:
        if is_released:
            self.ledger.release(self.lease)
        else:
            self._let_lease_expire()
        self.leases.append(self.ledger.acquire("rte", owner=f"driver-{len(self.leases) + 1}", seconds=600))
        waiting = self.ledger.requeue_open(self.lease)
        assert [trial.number for trial in waiting] == [
            trial.number for trial in self.seen if trial.state in (TrialState.PROPOSED, TrialState.RUNNING)
        ]

    @rule()
    def acquire_what_is_held(self) -> None:
        with pytest.raises(LeaseHeldError, match=self.lease.owner):
            self.ledger.acquire("rte", owner="intruder")

    @precondition(lambda self: len(self.leases) > 1)
    @rule(which=st.integers(0, 100))
    def write_with_an_old_lease(self, which: int) -> None:
        old = self.leases[which % (len(self.leases) - 1)]
        with pytest.raises(FencedError):
            self.ledger.propose(old, [_proposal("key-of-old-driver", TrialState.PROPOSED)])

    @invariant()
    def numbers_are_contiguous_and_final_trials_never_change(self) -> None:
        now = self.ledger.trials(self.study_id)
        assert [trial.number for trial in now] == list(range(len(now)))
        for before, after in zip(self.seen, now, strict=False):
            assert before == after or before.state in OPEN_STATES
            assert (before.key, before.created_at) == (after.key, after.created_at)
            assert before.attempts <= after.attempts
        assert len(now) >= len(self.seen)
        self.seen = now

    @invariant()
    def the_order_of_telling_is_a_permutation_of_the_final_trials(self) -> None:
        final = [trial for trial in self.ledger.trials(self.study_id) if trial.state.is_final]
        orders = sorted(trial.told_order for trial in final if trial.told_order is not None)
        assert orders == list(range(len(final)))

    @invariant()
    def only_the_holder_of_an_epoch_writes_in_it(self) -> None:
        epoch = 0
        for event in self.ledger.events(self.study_id, limit=100_000):
            if event.kind == "lease_acquired":
                assert event.payload["epoch"] == epoch + 1
                epoch += 1
            elif "epoch" in event.payload:
                assert event.payload["epoch"] == epoch

    @invariant()
    def an_attempt_is_open_exactly_while_its_trial_runs(self) -> None:
        for trial in self.ledger.trials(self.study_id):
            attempts = self.ledger.attempts(self.study_id, trial.number)
            assert len(attempts) == trial.attempts
            is_open = [attempt.outcome is None for attempt in attempts]
            runs = trial.state is TrialState.RUNNING
            assert is_open == [False] * (len(attempts) - runs) + [True] * runs

    @invariant()
    def only_a_result_or_a_pause_gives_a_trial_metrics(self) -> None:
        for trial in self.ledger.trials(self.study_id):
            if trial.state in (TrialState.DONE, TrialState.PAUSED):
                assert trial.metrics is not None
            elif trial.state is not TrialState.DUPLICATE:
                assert trial.metrics is None

    def _let_lease_expire(self) -> None:
        engine = create_engine(self.url)
        with engine.begin() as connection:
            connection.execute(text("UPDATE nas_study SET lease_until_s = lease_until_s - 3600"))
        engine.dispose()


def _proposal(key: str, state: TrialState, **more: Any) -> Proposal:
    return Proposal(
        key=key,
        config={},
        parameters={"layers": 4},
        sampler_attributes={},
        costs={"macs": 1.0},
        origin="sampler",
        state=state,
        **more,
    )


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A migrated database without a study, to be copied for each history."""
    Ledger.open(f"sqlite:///{tmp_path / 'empty.db'}").close()
    return tmp_path / "empty.db"


def test_no_history_of_several_drivers_breaks_the_ledger(empty: Path) -> None:
    class Machine(DriversOfOneStudy):
        pass

    Machine.empty = empty
    case = Machine.TestCase
    case.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)
    case("runTest").runTest()
