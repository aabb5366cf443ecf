"""Starting what was accepted; supervisors are stood in for by processes that end at once, or hang."""

from __future__ import annotations

import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from nas.service import dispatcher
from nas.service.dispatcher import MAX_RESTARTS, MAX_STARTS, PATIENCE_S, Dispatcher
from nas.service.settings import ServiceSettings
from storage import JobLease, JobRequest, JobState, Ledger, UnreachableError


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(f"sqlite:///{tmp_path / 'nas.db'}") as opened:
        yield opened


@pytest.fixture
def supervisors(monkeypatch):
    """Supervisors that were started, by number of the job; each hangs, and takes its job when told to."""
    started: dict[int, list[subprocess.Popen[bytes]]] = {}

    def start(job, url):
        process = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
        started.setdefault(job.id, []).append(process)
        return process

    monkeypatch.setattr(dispatcher, "start_supervisor", start)
    yield started
    for process in (one for own in started.values() for one in own):
        process.kill()
        process.wait()


def made(ledger, *, running_jobs: int = 1) -> Dispatcher:
    limits = {"running_jobs": running_jobs}
    return Dispatcher(ledger, ServiceSettings(storage={"url": ledger.url}, limits=limits))


def submitted(ledger, study: str, *, kind: str = "search") -> int:
    submission = ledger.submit_job(study, kind=kind, config={}, trials=None, account="alice", log=None)
    return submission.job.id


@pytest.fixture
def clock(monkeypatch):
    """The dispatcher's; it stands still unless a test moves it."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(dispatcher, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def lost(ledger, study: str, *, restarts: int = 0) -> JobLease:
    """The lease of a job whose supervisor died while it ran."""
    lease = ledger.claim_job(submitted(ledger, study), owner="gone/1", seconds=0.01)
    ledger.set_job_state(lease, JobState.RUNNING, restarts=restarts)
    expired(ledger, lease)
    return lease


def unreachable(*_: object, **__: object) -> None:
    raise UnreachableError("db", "away")


def expired(ledger, lease: JobLease) -> None:
    while ledger.job(lease.job_id).is_alive:
        time.sleep(0.01)


def ended(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def test_the_oldest_queued_job_is_started(ledger, supervisors):
    first, _ = submitted(ledger, "a"), submitted(ledger, "b")
    made(ledger).look()
    assert list(supervisors) == [first]


def test_a_started_job_is_not_started_again_while_its_supervisor_comes_up(ledger, supervisors):
    job = submitted(ledger, "a")
    dispatcher = made(ledger)
    dispatcher.look()
    dispatcher.look()
    assert len(supervisors[job]) == 1


def test_a_job_that_another_service_runs_takes_a_place(ledger, supervisors):
    submitted(ledger, "waits")
    ledger.claim_job(submitted(ledger, "runs"), owner="elsewhere/1", seconds=60)
    made(ledger).look()
    assert supervisors == {}


def test_a_job_of_a_command_is_left_to_it(ledger, supervisors):
    ledger.create_job("a", config={})
    made(ledger).look()
    assert supervisors == {}


def test_an_export_does_not_wait_for_a_search(ledger, supervisors):
    search, export = submitted(ledger, "a"), submitted(ledger, "a", kind="export")
    made(ledger).look()
    assert set(supervisors) == {search, export}


def test_the_next_job_is_started_when_one_is_over(ledger, supervisors):
    first, second = submitted(ledger, "a"), submitted(ledger, "b")
    dispatcher = made(ledger)
    dispatcher.look()
    lease = ledger.claim_job(first, owner="test/1", seconds=60)
    ledger.set_job_state(lease, JobState.COMPLETED)
    ended(supervisors[first][0])
    dispatcher.look()
    assert list(supervisors) == [first, second]


def test_what_was_accepted_is_started_by_the_next_service(ledger, supervisors):
    job = submitted(ledger, "a")
    service = made(ledger)
    service.start()
    give_up = time.monotonic() + 60
    while job not in supervisors and time.monotonic() < give_up:
        time.sleep(0.02)
    service.close()
    assert job in supervisors


def test_a_look_that_fails_is_followed_by_another(ledger, supervisors, monkeypatch):
    job, service = submitted(ledger, "a"), made(ledger)
    look, fails = service.look, iter([UnreachableError("db", "away"), RuntimeError("a bug")])

    def fail_at_first():
        service.wake()
        for error in fails:
            raise error
        look()

    monkeypatch.setattr(service, "look", fail_at_first)
    service.start()
    give_up = time.monotonic() + 60
    while job not in supervisors and time.monotonic() < give_up:
        time.sleep(0.02)
    service.close()
    assert job in supervisors


def test_of_two_services_that_start_one_job_the_slower_counts_no_failure(ledger, supervisors):
    job = submitted(ledger, "a")
    services = [made(ledger), made(ledger)]
    for service in services:
        service.look()
    ledger.claim_job(job, owner="quicker/1", seconds=60)
    for process in supervisors[job]:
        ended(process)
    for _ in range(MAX_STARTS):
        services[1].look()
    assert (ledger.job(job).state, len(supervisors[job])) == (JobState.QUEUED, 2)


def test_supervisors_that_never_take_their_job_end_it(ledger, supervisors):
    job = submitted(ledger, "a")
    dispatcher = made(ledger)
    for count in range(MAX_STARTS):
        dispatcher.look()
        assert len(supervisors[job]) == count + 1
        ended(supervisors[job][-1])
    dispatcher.look()
    found = ledger.job(job)
    assert (found.state, found.owner) == (JobState.FAILED, None)
    assert "did not start" in found.reason


def test_a_job_whose_supervisor_died_is_started_again_and_its_events_say_why(ledger, supervisors, clock):
    job = lost(ledger, "a").job_id
    service = made(ledger)
    service.look()
    assert ledger.job(job).state is JobState.RUNNING
    clock.now = PATIENCE_S
    service.look()
    found = ledger.job(job)
    assert (found.state, found.restarts, found.owner) == (JobState.QUEUED, 1, None)
    reasons = [event.payload.get("reason") or "" for event in ledger.job_events(job)]
    assert [reason for reason in reasons if "its supervisor died" in reason] == [found.reason]
    service.look()
    assert list(supervisors) == [job]


def test_a_supervisor_that_renews_its_lease_late_keeps_its_job(ledger, supervisors, clock):
    lease, service = lost(ledger, "a"), made(ledger)
    service.look()
    ledger.renew_job(JobLease(job_id=lease.job_id, owner=lease.owner, epoch=lease.epoch, seconds=60))
    service.look()
    ledger.renew_job(lease)
    expired(ledger, lease)
    clock.now = PATIENCE_S
    service.look()
    assert (ledger.job(lease.job_id).state, supervisors) == (JobState.RUNNING, {})


def test_the_time_of_an_outage_does_not_count_as_silence(ledger, supervisors, clock, monkeypatch):
    job, service = lost(ledger, "a").job_id, made(ledger)
    service.look()
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "jobs", unreachable)
        with pytest.raises(UnreachableError):
            service.look()
    clock.now = PATIENCE_S
    service.look()
    assert ledger.job(job).state is JobState.RUNNING


def test_what_was_asked_of_a_lost_job_still_holds(ledger, supervisors, clock):
    job, service = lost(ledger, "a").job_id, made(ledger)
    ledger.request_job(job, JobRequest.PAUSE)
    for clock.now in (0, PATIENCE_S):
        service.look()
    assert (ledger.job(job).state, ledger.job(job).request) == (JobState.QUEUED, JobRequest.PAUSE)


def test_a_job_that_is_lost_again_and_again_waits_for_somebody(ledger, supervisors, clock):
    job, service = lost(ledger, "a", restarts=MAX_RESTARTS).job_id, made(ledger)
    for clock.now in (0, PATIENCE_S, 2 * PATIENCE_S):
        service.look()
    assert (ledger.job(job).state, supervisors) == (JobState.RUNNING, {})


def test_a_lost_job_of_a_command_is_left_to_it(ledger, supervisors, clock):
    job, service = ledger.create_job("a", config={}).id, made(ledger)
    lease = ledger.claim_job(job, owner="gone/1", seconds=0.01)
    ledger.set_job_state(lease, JobState.RUNNING)
    expired(ledger, lease)
    for clock.now in (0, PATIENCE_S):
        service.look()
    assert ledger.job(job).state is JobState.RUNNING


def test_a_job_whose_log_is_gone_fails(ledger, tmp_path):
    folder = tmp_path / "gone"
    job = ledger.submit_job(
        "a", kind="search", config={}, trials=None, account="alice", log=str(folder / "a.log")
    ).job.id
    dispatcher = made(ledger)
    for _ in range(MAX_STARTS):
        dispatcher.look()
    assert ledger.job(job).state is JobState.FAILED


def test_launching_loads_neither_torch_nor_ray():
    code = (
        "import sys; import nas.service.dispatcher, nas.service.accepting; "
        "print([name for name in ('torch', 'ray', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
