"""What happened to a job, as somebody follows it who comes back with the last id that he saw."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import create_engine, text

from storage import EventRecord, JobRecord, JobRequest, JobState, Ledger, StudyState, UnknownJobError


def kinds(lines: list[EventRecord]) -> list[str]:
    return [line.kind for line in lines]


@pytest.fixture
def job(ledger: Ledger) -> JobRecord:
    """A job between those of another study."""
    ledger.create_job("other", config={})
    made = ledger.create_job("rte", config={})
    ledger.create_study("other", spec={}, fingerprint={}, seed=0)
    return made


def test_lines_of_a_job_and_of_its_study_come_in_one_order(ledger: Ledger, job: JobRecord) -> None:
    lease = ledger.claim_job(job.id, owner="host/1")
    study = ledger.create_study("rte", spec={}, fingerprint={}, seed=0)
    driver = ledger.acquire("rte", owner="host/2")
    ledger.set_job_state(lease, JobState.RUNNING)
    ledger.set_study_state(driver, StudyState.RUNNING)
    lines = ledger.job_events(job.id)
    assert kinds(lines) == [
        "job_created",
        "job_claimed",
        "study_created",
        "lease_acquired",
        "job_state_changed",
        "state_changed",
    ]
    assert [line.id for line in lines] == sorted(line.id for line in lines)
    assert {(line.job_id, line.study_id) for line in lines} == {(job.id, None), (None, study.id)}


def test_what_happened_to_the_study_before_the_job_is_left_out(ledger: Ledger) -> None:
    ledger.create_study("rte", spec={}, fingerprint={}, seed=0)
    first = ledger.create_job("rte", config={})
    ledger.request_job(first.id, JobRequest.PAUSE)
    second = ledger.create_job("rte", config={})
    ledger.add_event(ledger.study("rte").id, "note", {})
    assert kinds(ledger.job_events(first.id)) == ["job_created", "job_requested", "note"]
    assert kinds(ledger.job_events(second.id)) == ["job_created", "note"]


def test_a_reader_that_comes_back_gets_what_is_new(ledger: Ledger, job: JobRecord) -> None:
    ledger.create_study("rte", spec={}, fingerprint={}, seed=0)
    ledger.request_job(job.id, JobRequest.PAUSE)
    seen: list[EventRecord] = []
    while page := ledger.job_events(job.id, after=seen[-1].id if seen else 0, limit=1):
        assert len(page) == 1
        seen += page
    assert seen == ledger.job_events(job.id)
    assert kinds(seen) == ["job_created", "study_created", "job_requested"]


def test_an_unknown_job_has_no_events(ledger: Ledger) -> None:
    with pytest.raises(UnknownJobError):
        ledger.job_events(7)


def test_a_reader_that_follows_while_others_write_misses_nothing(open_ledger: Callable[[], Ledger]) -> None:
    reader, supervisor, driver = (open_ledger() for _ in range(3))
    job = reader.create_job("rte", config={})

    def request() -> None:
        for _ in range(15):
            for asked in (JobRequest.PAUSE, JobRequest.RUN):
                supervisor.request_job(job.id, asked)

    def search() -> None:
        study = driver.create_study("rte", spec={}, fingerprint={}, seed=0)
        for number in range(30):
            driver.add_event(study.id, "note", {"number": number})

    threads = [threading.Thread(target=work) for work in (request, search)]
    for thread in threads:
        thread.start()
    seen: list[EventRecord] = []
    while True:
        is_over = not any(thread.is_alive() for thread in threads)
        page = reader.job_events(job.id, after=seen[-1].id if seen else 0)
        seen += page
        if is_over and not page:
            break
    assert seen == reader.job_events(job.id)
    assert len(seen) == 1 + 30 + 1 + 30


def test_a_line_of_the_job_waits_for_one_of_its_study_that_is_being_written(postgres_url: str) -> None:
    engine = create_engine(postgres_url)
    with Ledger.open(postgres_url) as ledger, engine.connect() as writer:
        job = ledger.create_job("rte", config={})
        study = ledger.create_study("rte", spec={}, fingerprint={}, seed=0)
        last = ledger.job_events(job.id)[-1].id
        writer.execute(text("SELECT 1 FROM nas_study FOR UPDATE"))
        add = "INSERT INTO nas_event (study_id, at, kind, payload) VALUES (:study, 1.5, 'note', '{}')"
        writer.execute(text(add), {"study": study.id})
        thread = threading.Thread(target=ledger.request_job, args=(job.id, JobRequest.PAUSE))
        thread.start()
        with engine.connect() as watcher:
            waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
            while thread.is_alive() and not watcher.execute(waiting).scalar_one():
                thread.join(0.01)
        assert ledger.job_events(job.id, after=last) == []
        writer.commit()
        thread.join(60)
        assert kinds(ledger.job_events(job.id, after=last)) == ["note", "job_requested"]
    engine.dispose()
