from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import storage
from storage import (
    FencedError,
    JobLease,
    Lease,
    LeaseHeldError,
    LeaseKeeper,
    Ledger,
    Proposal,
    StudyRecord,
    UnknownStudyError,
    UnreachableError,
)

LONG_S = 20.0  # more than a busy machine needs for any of the steps that a test waits for
ROOT = Path(storage.__file__).parents[1]
ACQUIRE = """
import sys
from storage import Ledger, LeaseHeldError
with Ledger.open(sys.argv[1]) as ledger:
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        print(ledger.acquire("rte", owner=sys.argv[2], seconds=600).epoch)
    except LeaseHeldError:
        print("held")
"""


def test_the_first_lease_has_epoch_one(lease: Lease) -> None:
    assert (lease.epoch, lease.owner, lease.seconds) == (1, "first", 60)


def test_a_held_study_is_refused_with_its_holder_and_the_time_left(ledger: Ledger, lease: Lease) -> None:
    with pytest.raises(LeaseHeldError, match="'first'") as refused:
        ledger.acquire("rte", owner="second")
    assert refused.value.owner == "first"
    assert 0 < refused.value.remaining_s <= 60


def test_the_holder_itself_is_refused_too(ledger: Ledger, lease: Lease) -> None:
    with pytest.raises(LeaseHeldError):
        ledger.acquire("rte", owner="first")


def test_an_unknown_study_is_not_acquired(ledger: Ledger) -> None:
    with pytest.raises(UnknownStudyError):
        ledger.acquire("rte", owner="first")


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_lease_lasts_a_while(ledger: Ledger, study: StudyRecord, seconds: float) -> None:
    with pytest.raises(ValueError, match="more than 0"):
        ledger.acquire("rte", owner="first", seconds=seconds)


def test_a_released_study_is_free_and_its_epoch_goes_up(ledger: Ledger, lease: Lease) -> None:
    ledger.release(lease)
    assert ledger.acquire("rte", owner="second").epoch == 2


def test_an_expired_lease_is_taken_over(
    ledger: Ledger, lease: Lease, let_lease_expire: Callable[[], None]
) -> None:
    let_lease_expire()
    assert ledger.acquire("rte", owner="second").epoch == 2


def test_an_expired_lease_that_nobody_took_is_still_good(
    ledger: Ledger,
    lease: Lease,
    let_lease_expire: Callable[[], None],
    proposal: Callable[..., Proposal],
) -> None:
    let_lease_expire()
    assert [trial.number for trial in ledger.propose(lease, [proposal()])] == [0]


def test_a_renewal_keeps_others_out(
    ledger: Ledger, lease: Lease, let_lease_expire: Callable[[], None]
) -> None:
    let_lease_expire()
    ledger.renew(lease)
    with pytest.raises(LeaseHeldError):
        ledger.acquire("rte", owner="second")


def test_a_lost_lease_is_not_renewed(
    ledger: Ledger, lease: Lease, let_lease_expire: Callable[[], None]
) -> None:
    let_lease_expire()
    ledger.acquire("rte", owner="second")
    with pytest.raises(FencedError, match="'second'") as refused:
        ledger.renew(lease)
    assert (refused.value.epoch, refused.value.current_epoch) == (1, 2)


def test_releasing_a_lost_lease_leaves_the_study_with_its_new_holder(
    ledger: Ledger, lease: Lease, let_lease_expire: Callable[[], None]
) -> None:
    let_lease_expire()
    ledger.acquire("rte", owner="second")
    ledger.release(lease)
    with pytest.raises(LeaseHeldError, match="'second'"):
        ledger.acquire("rte", owner="third")


def test_a_driver_that_lost_its_lease_proposes_nothing_but_its_results_count(
    ledger: Ledger,
    lease: Lease,
    let_lease_expire: Callable[[], None],
    proposal: Callable[..., Proposal],
) -> None:
    ledger.propose(lease, [proposal("a")])
    ledger.dispatch(lease, 0)
    let_lease_expire()
    ledger.acquire("rte", owner="second")
    for refused in (
        lambda: ledger.propose(lease, [proposal("b")], sampler_state={"generation": 1}),
        lambda: ledger.dispatch(lease, 0),
        lambda: ledger.fail(lease, 0, reason="timeout", message=""),
        lambda: ledger.requeue(lease, 0, outcome="lost"),
        lambda: ledger.requeue_open(lease),
    ):
        with pytest.raises(FencedError):
            refused()
    assert ledger.complete(lease.study_id, 0, {"accuracy": 0.5}) == "stored"
    assert len(ledger.trials(lease.study_id)) == 1
    assert ledger.study("rte").sampler_state == {}


def test_a_driver_that_was_restarted_under_its_old_name_fences_its_former_self(
    ledger: Ledger, lease: Lease, let_lease_expire: Callable[[], None]
) -> None:
    let_lease_expire()
    ledger.acquire("rte", owner=lease.owner)
    with pytest.raises(FencedError):
        ledger.propose(lease, [])
    with pytest.raises(FencedError):
        ledger.renew(lease)


def test_of_many_threads_exactly_one_acquires(open_ledger: Callable[[], Ledger], study: StudyRecord) -> None:
    start = threading.Barrier(6)
    won: list[Lease] = []
    held: list[str] = []

    def acquire(owner: str, ledger: Ledger) -> None:
        start.wait(LONG_S)
        try:
            won.append(ledger.acquire("rte", owner=owner))
        except LeaseHeldError as error:
            held.append(error.owner)

    threads = [threading.Thread(target=acquire, args=(f"driver-{n}", open_ledger())) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG_S)
    assert len(won) == 1
    assert held == [won[0].owner] * 5


@pytest.mark.slow
def test_of_two_processes_exactly_one_acquires(url: str, study: StudyRecord) -> None:
    command = [sys.executable, "-c", ACQUIRE, url]
    drivers = [
        subprocess.Popen(
            [*command, owner], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for owner in ("first", "second")
    ]
    for driver in drivers:
        assert driver.stdout is not None
        assert driver.stdout.readline() == "ready\n"
    for driver in drivers:
        assert driver.stdin is not None
        driver.stdin.write("\n")
        driver.stdin.flush()
    answers = [driver.communicate(timeout=60)[0].strip() for driver in drivers]
    assert sorted(answers) == ["1", "held"]


class TestLeaseKeeper:
    def test_it_renews_while_it_is_kept(self, ledger: Ledger, study: StudyRecord) -> None:
        renewed = threading.Event()
        lease = ledger.acquire("rte", owner="first", seconds=0.3)

        def renew(lease: Lease) -> None:
            ledger.renew(lease)
            renewed.set()

        with LeaseKeeper(renew, lease) as keeper:
            assert renewed.wait(LONG_S)
            assert not keeper.lost

    def test_it_tells_when_another_driver_has_the_study(
        self, ledger: Ledger, study: StudyRecord, let_lease_expire: Callable[[], None]
    ) -> None:
        lease = ledger.acquire("rte", owner="first", seconds=0.3)
        let_lease_expire()
        ledger.acquire("rte", owner="second")
        with LeaseKeeper(ledger.renew, lease) as keeper:
            assert keeper.wait_until_lost(LONG_S)

    def test_it_outlives_a_database_that_does_not_answer(self, ledger: Ledger, study: StudyRecord) -> None:
        lease = ledger.acquire("rte", owner="first", seconds=0.3)
        renewed = threading.Event()

        failures = iter(range(3))

        def renew(lease: Lease) -> None:
            if next(failures, None) is not None:
                raise UnreachableError("postgresql://", "connection refused")
            ledger.renew(lease)
            renewed.set()

        with LeaseKeeper(renew, lease) as keeper:
            assert renewed.wait(LONG_S)
            assert not keeper.lost

    def test_it_keeps_the_lease_of_a_job_until_another_supervisor_has_it(self, ledger: Ledger) -> None:
        job = ledger.create_job("rte", config={})
        lease = ledger.claim_job(job.id, owner="first", seconds=0.3)
        renewed = threading.Event()

        def renew(lease: JobLease) -> None:
            ledger.renew_job(lease)
            renewed.set()

        with LeaseKeeper(renew, lease) as keeper:
            assert renewed.wait(LONG_S)
            assert not keeper.lost
            ledger.release_job(lease)
            assert keeper.wait_until_lost(LONG_S)

    def test_its_thread_ends_with_it(self, ledger: Ledger, lease: Lease) -> None:
        with LeaseKeeper(ledger.renew, lease):
            assert any(thread.name == f"lease-study {lease.study_id}" for thread in threading.enumerate())
        assert all(thread.name != f"lease-study {lease.study_id}" for thread in threading.enumerate())
