"""Jobs that accounts submit: once a key, one search a study, within the quota."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from storage import (
    IdempotencyConflictError,
    JobState,
    Ledger,
    OpenJobError,
    QuotaError,
    Submission,
    Usage,
)

SHA, OTHER = "ab" * 32, "cd" * 32
Submit = Callable[..., Submission]


def submission(ledger: Ledger, study: str, **changes: Any) -> Submission:
    fields: dict[str, Any] = {
        "kind": "search",
        "config": {"a": 1},
        "trials": 5,
        "account": "alice",
        "log": None,
    }
    return ledger.submit_job(study, **(fields | changes))


@pytest.fixture
def submit(ledger: Ledger) -> Submit:
    return lambda study="alice.a", **changes: submission(ledger, study, **changes)


def end(ledger: Ledger, job_id: int) -> None:
    lease = ledger.claim_job(job_id, owner="host/1")
    ledger.set_job_state(lease, JobState.COMPLETED)
    ledger.release_job(lease)


def test_a_submitted_job_waits_in_the_name_of_its_account(ledger: Ledger, submit: Submit) -> None:
    made = submit()
    assert not made.is_repeated
    assert (made.job.account, made.job.state, made.job.trials) == ("alice", JobState.QUEUED, 5)
    assert ledger.jobs() == [made.job]


def test_a_request_that_is_made_again_is_answered_with_its_job(ledger: Ledger, submit: Submit) -> None:
    made = submit(key="k", request_sha256=SHA)
    end(ledger, made.job.id)
    again = submit(key="k", request_sha256=SHA, max_open=0)
    assert again.is_repeated
    assert again.job == ledger.job(made.job.id)
    assert len(ledger.jobs()) == 1


def test_a_key_that_was_used_for_another_request_is_refused(ledger: Ledger, submit: Submit) -> None:
    made = submit(key="k", request_sha256=SHA)
    with pytest.raises(IdempotencyConflictError, match=rf"'k'.*job {made.job.id}"):
        submit("alice.b", key="k", request_sha256=OTHER)
    assert ledger.jobs() == [made.job]


def test_accounts_choose_their_keys_without_each_other(ledger: Ledger, submit: Submit) -> None:
    first = submit(key="k", request_sha256=SHA)
    second = submit("bob.a", account="bob", key="k", request_sha256=OTHER)
    assert not second.is_repeated
    assert ledger.jobs() == [first.job, second.job]


@pytest.mark.parametrize(("hours", "is_known"), [(23, True), (25, False)])
def test_a_key_is_forgotten_after_a_day(
    ledger: Ledger, submit: Submit, url: str, hours: int, is_known: bool
) -> None:
    made = submit(key="k", request_sha256=SHA)
    end(ledger, made.job.id)
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE nas_submission SET created_at = created_at - {hours * 3600}"))
    engine.dispose()
    assert submit(key="k", request_sha256=SHA).is_repeated is is_known


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": "k"},
        {"request_sha256": SHA},
        {"key": "", "request_sha256": SHA},
        {"key": "k", "request_sha256": "no hash"},
        {"key": "k\0", "request_sha256": SHA},
        {"account": ""},
        {"trials": 0},
    ],
)
def test_a_submission_that_can_not_be_stored_is_refused(
    ledger: Ledger, submit: Submit, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"both or neither|hexadecimal|NUL|account|1 and more"):
        submit(**wrong)
    assert ledger.jobs() == []


def test_a_study_has_one_open_search(ledger: Ledger, submit: Submit) -> None:
    made = submit()
    with pytest.raises(OpenJobError, match=f"job {made.job.id}") as refused:
        submit(account="bob")
    assert refused.value.job_id == made.job.id
    end(ledger, made.job.id)
    assert submit().job.id > made.job.id


def test_jobs_of_other_kinds_stand_beside_the_search_of_their_study(ledger: Ledger, submit: Submit) -> None:
    kinds = ("search", "export", "export")
    assert [submit(kind=kind).job.kind for kind in kinds] == list(kinds)


def test_an_account_has_no_more_open_jobs_than_it_may(ledger: Ledger, submit: Submit) -> None:
    first = submit("alice.a", max_open=2)
    submit("alice.b", max_open=2)
    with pytest.raises(QuotaError, match="'alice' has 2 jobs"):
        submit("alice.c", max_open=2)
    assert submit("bob.a", account="bob", max_open=2).job.account == "bob"
    end(ledger, first.job.id)
    assert submit("alice.c", max_open=2).job.study == "alice.c"


def test_a_refused_submission_leaves_its_key_free(ledger: Ledger, submit: Submit) -> None:
    first = submit()
    with pytest.raises(QuotaError):
        submit("alice.b", key="k", request_sha256=SHA, max_open=1)
    end(ledger, first.job.id)
    assert not submit("alice.b", key="k", request_sha256=SHA, max_open=1).is_repeated


def test_of_many_submissions_at_once_the_quota_lets_some_through(open_ledger: Callable[[], Ledger]) -> None:
    ledgers = [open_ledger() for _ in range(6)]
    start = threading.Barrier(len(ledgers))
    answers: list[str] = []

    def ask(number: int) -> None:
        start.wait(60)
        try:
            submission(ledgers[number], f"alice.{number}", max_open=3)
            answers.append("stored")
        except QuotaError:
            answers.append("refused")

    run_all([threading.Thread(target=ask, args=(number,)) for number in range(len(ledgers))])
    assert sorted(answers) == ["refused"] * 3 + ["stored"] * 3


def test_one_request_that_is_made_many_times_at_once_makes_one_job(
    open_ledger: Callable[[], Ledger],
) -> None:
    ledgers = [open_ledger() for _ in range(6)]
    start = threading.Barrier(len(ledgers))
    answers: list[Submission] = []

    def ask(ledger: Ledger) -> None:
        start.wait(60)
        answers.append(submission(ledger, "alice.a", key="k", request_sha256=SHA))

    run_all([threading.Thread(target=ask, args=(ledger,)) for ledger in ledgers])
    assert len({answer.job.id for answer in answers}) == 1
    assert sorted(answer.is_repeated for answer in answers) == [False] + [True] * 5


def run_all(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads)


def test_a_study_belongs_to_the_account_whose_search_made_it(ledger: Ledger, submit: Submit) -> None:
    submit("alice.a")
    made = ledger.create_study("alice.a", spec={}, fingerprint={}, seed=0)
    local = ledger.create_study("local", spec={}, fingerprint={}, seed=0)
    submit("alice.a", kind="export", account="bob")
    assert (made.account, local.account) == ("alice", None)
    assert ledger.study("alice.a").account == "alice"


def test_the_newest_search_of_a_name_decides_whose_its_study_is(ledger: Ledger, submit: Submit) -> None:
    first = submit("shared", account="bob")
    end(ledger, first.job.id)
    submit("shared", account="carol")
    submit("shared", account="dave", kind="export")
    assert ledger.create_study("shared", spec={}, fingerprint={}, seed=0).account == "carol"


def test_studies_are_listed_by_account(ledger: Ledger, submit: Submit) -> None:
    submit("alice.a")
    for name in ("alice.a", "local"):
        ledger.create_study(name, spec={}, fingerprint={}, seed=0)
    assert [study.name for study in ledger.studies("alice")] == ["alice.a"]
    assert [study.name for study in ledger.studies(None)] == ["local"]
    assert [study.name for study in ledger.studies()] == ["alice.a", "local"]
    assert ledger.studies("bob") == []


def test_jobs_are_listed_by_account_kind_and_state(ledger: Ledger, submit: Submit) -> None:
    first, second = submit("alice.a").job, submit("alice.b", kind="export").job
    third = submit("bob.a", account="bob").job
    end(ledger, first.id)
    assert [job.id for job in ledger.jobs(account="alice")] == [first.id, second.id]
    assert [job.id for job in ledger.jobs(kind="export")] == [second.id]
    assert [job.id for job in ledger.jobs(states=[JobState.QUEUED])] == [second.id, third.id]
    assert [job.id for job in ledger.jobs(account="alice", states=[JobState.COMPLETED])] == [first.id]


def test_jobs_are_read_by_pages_from_the_newest_backwards(ledger: Ledger, submit: Submit) -> None:
    made = [submit(f"alice.{number}").job.id for number in range(5)]
    newest = [job.id for job in ledger.jobs(limit=2)]
    older = [job.id for job in ledger.jobs(limit=2, before=newest[0])]
    oldest = [job.id for job in ledger.jobs(limit=2, before=older[0])]
    assert oldest + older + newest == made


def test_usage_counts_open_jobs_of_the_account_only(ledger: Ledger, submit: Submit) -> None:
    end(ledger, submit("alice.a").job.id)
    submit("alice.b")
    submit("bob.a", account="bob")
    assert ledger.usage("alice").open_jobs == 1
    assert ledger.usage("carol") == Usage(open_jobs=0, evaluation_seconds=0.0)
