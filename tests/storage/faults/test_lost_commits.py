"""Calls whose COMMIT gets lost, or the reply to it: they have their effect once, and the same answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from storage import (
    ExportFile,
    JobLease,
    JobRecord,
    JobRequest,
    JobState,
    LatencyRecord,
    Lease,
    Ledger,
    Proposal,
    QualityRecord,
    RecoveryRecord,
    StudyState,
    Submission,
    TrialRecord,
    TrialState,
    UnreachableError,
)
from storage.database import Database
from storage.engine import create_engine
from storage.location import parsed_url

SHA = "ab" * 32
MakeProposal = Callable[..., Proposal]
QUALITY = QualityRecord(
    supernet_sha256=SHA, key="key-a", data_sha256=SHA, stage=8, metrics={"a": 1.0}, seconds=1.0
)
LATENCY = LatencyRecord(
    shape_key="s",
    target="cpu",
    workload_sha256=SHA,
    statistics={"median_ms": 2.0},
    samples=b"\x01\x02",
    quality_flag="ok",
    device={"cpu": "x"},
    valid=True,
)
RECOVERY = RecoveryRecord(
    study_id=0,
    trial=0,
    kind="recovered",
    key="key-a",
    config={},
    recipe={"steps": 1},
    recipe_sha256=SHA,
    metrics_before={},
    metrics_after={"a": 1.0},
    passes=1,
    examples=1,
    seconds=1.0,
    weights_file="w",
    weights_sha256=SHA,
)


@pytest.fixture
def direct(postgres_url: str) -> Iterator[Ledger]:
    """The same database without the proxy."""
    with Ledger.open(postgres_url) as ledger:
        yield ledger


@pytest.fixture
def proxied(proxy: Any, direct: Ledger) -> Iterator[Ledger]:
    """The ledger through the proxy, with retries."""
    ledger = Ledger(Database(create_engine(parsed_url(proxy.url)), retry_delays_s=(0.0,) * 4))
    yield ledger
    assert ledger.open_connections() == 0
    ledger.close()


@pytest.fixture
def impatient(proxy: Any, direct: Ledger) -> Iterator[Ledger]:
    """The ledger through the proxy, without retries: the caller repeats the call."""
    ledger = Ledger(Database(create_engine(parsed_url(proxy.url)), retry_delays_s=()))
    yield ledger
    ledger.close()


@pytest.fixture
def undisturbed(tmp_path: Path) -> Iterator[Ledger]:
    """A database of its own in which nothing is lost."""
    with Ledger.open(f"sqlite:///{tmp_path / 'undisturbed.db'}") as ledger:
        yield ledger


def leases(ledger: Ledger) -> tuple[Lease, JobLease]:
    """Of a new study and a new job."""
    ledger.create_study("rte", spec={}, fingerprint={}, seed=0)
    job = ledger.create_job("rte", config={})
    lease = ledger.acquire("rte", owner="first", seconds=600)
    return lease, ledger.claim_job(job.id, owner="first", seconds=600)


def calls(ledger: Ledger, lease: Lease, job: JobLease, proposal: MakeProposal) -> list[Callable[[], object]]:
    """Every call that may be repeated, in an order that a new study allows."""
    study, state = lease.study_id, {"generation": 1}
    proposals = [proposal(name) for name in "abcd"]
    return [
        lambda: numbers(ledger.propose(lease, proposals, sampler_state=state, first=0)),
        lambda: ledger.set_study_state(lease, StudyState.RUNNING, "now"),
        *(partial(ledger.dispatch, lease, number, "node-1", attempt=1) for number in range(4)),
        lambda: ledger.complete(study, 0, {"a": 1.0}, seconds=2.0) != "conflict",  # "repeated" is as good
        lambda: ledger.fail(lease, 1, reason="oom", message="too large"),
        lambda: ledger.pause(lease, 2, {"a": 0.5}, reason="dominated"),
        lambda: ledger.requeue(lease, 3, outcome="worker_lost"),
        lambda: ledger.dispatch(lease, 3, attempt=2),
        lambda: numbers(ledger.requeue_open(lease)),
        lambda: isinstance(ledger.put_quality(QUALITY), bool),  # whether it was new depends
        lambda: ledger.put_latency(LATENCY),
        lambda: ledger.put_recovery(replace(RECOVERY, study_id=study)),
        lambda: ledger.renew(lease),
        lambda: ledger.request_job(job.job_id, JobRequest.PAUSE),
        lambda: ledger.edit_job(job.job_id, trials=7),
        lambda: ledger.set_job_state(job, JobState.RUNNING, restarts=1),
        lambda: ledger.renew_job(job),
        lambda: ledger.put_export_files(job, [ExportFile(name="a", sha256=SHA, size_bytes=1)]),
        lambda: submitted(ledger).job.study,  # whether it was new depends
        lambda: ledger.create_token(id="t", account="alice", scopes=["read"], secret_sha256=SHA).scopes,
        lambda: ledger.revoke_token("t").is_valid,
        lambda: isinstance(ledger.sweep_tokens(), int),
        lambda: ledger.release_job(job),
        lambda: ledger.put_target("edge", {"threads": 2}).definition,
        lambda: ledger.release(lease),
    ]


def submitted(ledger: Ledger) -> Submission:
    return ledger.submit_job(
        "alice.a",
        kind="search",
        config={},
        trials=3,
        account="alice",
        log=None,
        key="key",
        request_sha256=SHA,
        max_open=1,
    )


def numbers(trials: list[TrialRecord]) -> list[tuple[int, str, TrialState]]:
    return [(trial.number, trial.key, trial.state) for trial in trials]


def history(ledger: Ledger) -> list[object]:
    """All that is stored, but for times."""
    study = ledger.study("rte")
    trials = ledger.trials(study.id)
    attempts = [one for trial in trials for one in ledger.attempts(study.id, trial.number)]
    jobs = {job.id: job for job in ledger.jobs()}  # a submission that was lost leaves a gap in their numbers
    return [
        study.sampler_state,
        [replace(trial, **timeless("created_at", "ended_at")) for trial in trials],
        [replace(attempt, **timeless("started_at", "ended_at")) for attempt in attempts],
        [(event.kind, named(event.payload, jobs)) for event in ledger.events(None)],
        [replace(record, created_at=None) for record in ledger.latencies(include_invalid=True)],
        [replace(record, created_at=None) for record in ledger.recoveries(study.id)],
        [replace(job, id=0, **timeless("created_at", "started_at")) for job in jobs.values()],
        [ledger.export_files(job_id) for job_id in jobs],
        [replace(token, **timeless("created_at", "revoked_at")) for token in ledger.tokens()],
        ledger.quality_stages(SHA, "key-a", SHA),
    ]


def named(payload: dict[str, Any], jobs: dict[int, JobRecord]) -> dict[str, Any]:
    """The payload with the study of its job in the place of the job's number."""
    return payload | {"job": jobs[payload["job"]].study} if "job" in payload else payload


def timeless(*names: str) -> dict[str, Any]:
    return dict.fromkeys(names)


@pytest.mark.parametrize("lost", ["request", "reply"])
def test_a_call_that_loses_its_commit_is_made_again_and_has_its_effect_once(
    undisturbed: Ledger, proxied: Ledger, proxy: Any, proposal: MakeProposal, lost: str
) -> None:
    expected = [call() for call in calls(undisturbed, *leases(undisturbed), proposal)]
    answers = []
    for call in calls(proxied, *leases(proxied), proposal):
        proxy.loses = lost
        answers.append(call())
        assert proxy.loses is None, "no COMMIT came by"
    assert answers == expected
    assert history(proxied) == history(undisturbed)


@pytest.mark.parametrize("lost", ["request", "reply"])
def test_a_call_that_the_driver_itself_makes_again_has_its_effect_once(
    undisturbed: Ledger, impatient: Ledger, proxy: Any, proposal: MakeProposal, lost: str
) -> None:
    for call in calls(undisturbed, *leases(undisturbed), proposal):
        call()
    for call in calls(impatient, *leases(impatient), proposal):
        proxy.loses = lost
        with pytest.raises(UnreachableError, match="may or may not"):
            call()
        call()
    assert history(impatient) == history(undisturbed)


def test_a_call_that_may_not_be_repeated_says_that_it_may_have_happened(
    proxied: Ledger, proxy: Any, proposal: MakeProposal
) -> None:
    lease, _ = leases(proxied)
    for call in (
        lambda: proxied.propose(lease, [proposal("a")]),
        lambda: proxied.dispatch(lease, 0),
        lambda: proxied.create_job("rte", config={}),
        lambda: proxied.submit_job(
            "alice.a", kind="search", config={}, trials=None, account="alice", log=None
        ),
    ):
        proxy.loses = "reply"
        with pytest.raises(UnreachableError, match="may or may not"):
            call()
    assert numbers(proxied.trials(lease.study_id)) == [(0, "key-a", TrialState.RUNNING)]
    assert len(proxied.jobs()) == 3


def test_a_result_that_lost_its_reply_is_not_a_conflict(
    proxied: Ledger, proxy: Any, proposal: MakeProposal
) -> None:
    lease, _ = leases(proxied)
    proxied.propose(lease, [proposal("a")])
    proxy.loses = "reply"
    assert proxied.complete(lease.study_id, 0, {"a": 1.0}) == "repeated"
    assert "trial_conflict" not in [event.kind for event in proxied.events(None)]
