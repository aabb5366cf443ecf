"""Jobs over REST: submitted once, asked to pause, go on and end, and only by whom they belong to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nas.service import dispatcher
from storage import JobRequest, JobState, Ledger, Proposal

JOBS = "/api/v1/jobs"


@pytest.fixture(scope="module")
def tiny_study(tmp_path_factory):
    """An empty database: what is tested here needs no study."""
    folder = tmp_path_factory.mktemp("empty")
    Ledger.open(f"sqlite:///{folder / 'nas.db'}").close()
    (folder / "artifacts").mkdir()
    return folder


@pytest.fixture(autouse=True)
def supervisors(monkeypatch):
    """Supervisors that the service started, by job; they do nothing, for a long time."""
    started: dict[int, subprocess.Popen[bytes]] = {}

    def start(job, url):
        started[job.id] = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
        return started[job.id]

    monkeypatch.setattr(dispatcher, "start_supervisor", start)
    yield started
    for process in started.values():
        process.kill()
        process.wait()


@pytest.fixture
def ledger(app):
    return app.state.service.ledger


@pytest.fixture
def alice(api):
    return api("alice")


def submit(client: Any, search: dict[str, Any], **changes: Any) -> Any:
    key = changes.pop("key", None)
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post(JOBS, json={"config": search | changes}, headers=headers)


def ended(ledger: Any, job_id: int, state: JobState, reason: str | None = None) -> None:
    lease = ledger.claim_job(job_id, owner="test/1")
    ledger.set_job_state(lease, state, reason=reason)
    ledger.release_job(lease)


def test_a_submitted_search_is_accepted_under_the_accounts_name(alice, tiny_search):
    answer = submit(alice, tiny_search)
    job = answer.json()
    assert (answer.status_code, job["study"], job["account"]) == (202, "alice.tiny", "alice")
    assert (job["trials"], job["progress"]) == (12, {"done": 0, "total": 12})
    assert answer.headers["location"] == f"{JOBS}/{job['id']}"
    assert alice.get(answer.headers["location"]).json()["id"] == job["id"]


def test_a_search_is_submitted_as_yaml(alice):
    text = """
version: 1
name: yaml
model: {id: tiny-bert, task: sequence-classification}
data: {train: tiny-train, validation: tiny-validation}
objectives: [max accuracy, min num_parameters]
target: null
"""
    assert alice.post(JOBS, json={"yaml": text}).json()["study"] == "alice.yaml"


@pytest.mark.parametrize("body", [{}, {"config": {}, "yaml": ""}, {"config": {}, "more": 1}, []])
def test_a_body_that_is_no_submission_is_refused(alice, body):
    assert alice.post(JOBS, json=body).status_code == 422


def test_no_path_of_the_server_is_in_an_answer(alice, tiny_search, service_settings, tiny_files):
    job = alice.get(submit(alice, tiny_search).headers["location"])
    assert job.json()["config"]["model"]["id"] == "tiny-bert"
    assert str(service_settings.folder) not in job.text
    assert str(tiny_files) not in job.text


def test_a_repeated_request_with_its_key_gives_the_same_job(alice, tiny_search, ledger):
    first, second = submit(alice, tiny_search, key="one"), submit(alice, tiny_search, key="one")
    assert second.status_code == 202
    assert second.headers["location"] == first.headers["location"]
    assert second.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert len(ledger.jobs(account="alice")) == 1


def test_a_repeated_request_leaves_no_second_log(alice, tiny_search, service_settings):
    for _ in range(3):
        submit(alice, tiny_search, key="one")
    assert len(list(Path(service_settings.folder, "logs").glob("alice.tiny-*"))) == 1


def test_a_key_is_not_taken_for_another_request(alice, tiny_search):
    submit(alice, tiny_search, key="one")
    assert submit(alice, tiny_search, name="other", key="one").status_code == 409


def test_keys_of_accounts_are_apart(alice, api, tiny_search):
    first = submit(alice, tiny_search, key="one")
    second = submit(api("bob"), tiny_search, key="one")
    assert (second.status_code, second.json()["account"]) == (202, "bob")
    assert first.json()["id"] != second.json()["id"]


@pytest.mark.parametrize("key", ["", "x" * 201, "tab\tin it"])
def test_a_key_that_is_too_long_or_not_printable_is_refused(alice, tiny_search, key):
    assert submit(alice, tiny_search, key=key).status_code == 422


def test_a_study_has_one_open_search(alice, tiny_search):
    submit(alice, tiny_search)
    answer = submit(alice, tiny_search)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/conflict")


def test_an_account_has_only_so_many_open_jobs(alice, tiny_search, service_settings):
    limits = service_settings.limits.model_copy(update={"open_jobs": 2})
    object.__setattr__(service_settings, "limits", limits)
    codes = [submit(alice, tiny_search, name=name).status_code for name in "abc"]
    assert codes == [202, 202, 429]


def test_an_account_that_used_up_its_time_is_refused(alice, tiny_search, service_settings, ledger):
    limits = service_settings.limits.model_copy(update={"evaluation_seconds": 1e-9})
    object.__setattr__(service_settings, "limits", limits)
    submit(alice, tiny_search, name="first")
    study = ledger.create_study("alice.first", spec={}, fingerprint={}, seed=0)
    _evaluate(ledger, study)
    answer = submit(alice, tiny_search, name="second")
    assert (answer.status_code, answer.json()["type"]) == (429, "/problems/quota-exceeded")


def _evaluate(ledger: Any, study: Any) -> None:
    lease = ledger.acquire(study.name, owner="test/1")
    proposal = Proposal(
        key="a", config={}, parameters={}, sampler_attributes={}, costs={"num_parameters": 1.0}, origin="test"
    )
    [trial] = ledger.propose(lease, [proposal], sampler_state={})
    ledger.dispatch(lease, trial.number, worker="w")
    ledger.complete(lease.study_id, trial.number, {"accuracy": 0.5}, worker="w", seconds=2.0)


def test_a_name_that_another_account_has_is_taken(admin_api, api, tiny_search):
    submit(api("bob"), tiny_search, name="own")
    answer = submit(admin_api, tiny_search, name="bob.own")
    assert answer.status_code == 409


def test_the_newest_jobs_come_first_page_by_page(alice, tiny_search):
    ids = [submit(alice, tiny_search, name=name).json()["id"] for name in "abcde"]
    seen, token = [], None
    while True:
        query = {"limit": 2} | ({} if token is None else {"page_token": token})
        page = alice.get(JOBS, params=query).json()
        seen += [job["id"] for job in page["jobs"]]
        assert len(page["jobs"]) <= 2
        token = page["next_page_token"]
        if token is None:
            break
    assert seen == ids[::-1]


def test_jobs_are_listed_by_study_and_state(alice, tiny_search, ledger):
    first, second = (submit(alice, tiny_search, name=name).json()["id"] for name in "ab")
    ended(ledger, first, JobState.COMPLETED)

    def listed(**query: str) -> list[int]:
        return [job["id"] for job in alice.get(JOBS, params=query).json()["jobs"]]

    assert listed(study="alice.a") == [first]
    assert listed(state="COMPLETED") == [first]
    assert listed(state="QUEUED") == [second]
    assert listed(kind="export") == []


@pytest.mark.parametrize(
    "query", [{"state": "DONE"}, {"limit": 0}, {"page_token": "-1"}, {"page_token": "a"}]
)
def test_a_query_that_is_not_allowed_is_refused(alice, query):
    assert alice.get(JOBS, params=query).status_code == 422


def test_the_budget_is_changed(alice, tiny_search, ledger):
    location = submit(alice, tiny_search).headers["location"]
    answer = alice.patch(location, json={"trials": 30})
    assert (answer.status_code, answer.json()["trials"]) == (200, 30)
    assert ledger.job(answer.json()["id"]).trials == 30


@pytest.mark.parametrize("body", [{"trials": 0}, {"trials": 100_001}, {"trials": "3"}, {"trials": 1.5}, {}])
def test_a_budget_that_is_not_allowed_is_refused(alice, tiny_search, body):
    assert alice.patch(submit(alice, tiny_search).headers["location"], json=body).status_code == 422


def test_a_running_job_is_asked_to_pause(alice, tiny_search, ledger):
    job_id = submit(alice, tiny_search).json()["id"]
    lease = ledger.claim_job(job_id, owner="test/1", seconds=600)
    ledger.set_job_state(lease, JobState.RUNNING)
    answer = alice.post(f"{JOBS}/{job_id}:pause", json={})
    assert (answer.status_code, answer.json()["status"]) == (200, "pausing")
    assert ledger.job(job_id).request is JobRequest.PAUSE


def test_a_job_that_nobody_runs_is_cancelled_at_once(alice, tiny_search):
    job_id = submit(alice, tiny_search).json()["id"]
    assert alice.post(f"{JOBS}/{job_id}:cancel", json={}).json()["state"] == "CANCELLED"


def test_a_paused_job_is_queued_again(alice, tiny_search, ledger):
    job_id = submit(alice, tiny_search).json()["id"]
    ended(ledger, job_id, JobState.PAUSED)
    job = alice.post(f"{JOBS}/{job_id}:resume", json={}).json()
    assert (job["id"], job["state"], job["request"]) == (job_id, "QUEUED", "run")


def test_a_failed_job_gets_a_successor_of_its_account(alice, tiny_search, ledger):
    job_id = submit(alice, tiny_search).json()["id"]
    ended(ledger, job_id, JobState.FAILED)
    job = alice.post(f"{JOBS}/{job_id}:resume", json={}).json()
    assert job["id"] > job_id
    assert (job["account"], job["state"]) == ("alice", "QUEUED")
    assert alice.post(f"{JOBS}/{job_id}:resume", json={}).status_code == 409


@pytest.mark.parametrize("verb", ["pause", "cancel", "resume"])
def test_a_job_that_is_completed_takes_no_more_orders(alice, tiny_search, ledger, verb):
    job_id = submit(alice, tiny_search).json()["id"]
    ended(ledger, job_id, JobState.COMPLETED)
    assert alice.post(f"{JOBS}/{job_id}:{verb}", json={}).status_code == 409
    assert alice.patch(f"{JOBS}/{job_id}", json={"trials": 5}).status_code == 409


def test_a_job_of_a_command_is_not_resumed_from_afar(admin_api, ledger):
    job = ledger.create_job("local", config={})
    ended(ledger, job.id, JobState.PAUSED)
    answer = admin_api.post(f"{JOBS}/{job.id}:resume", json={})
    assert (answer.status_code, "nas search resume" in answer.json()["detail"]) == (409, True)


def test_the_reason_of_a_failure_names_no_folder(alice, tiny_search, ledger):
    location = submit(alice, tiny_search).headers["location"]
    ended(ledger, int(location.rpartition("/")[2]), JobState.FAILED, "no /srv/secret/model.safetensors")
    assert alice.get(location).json()["reason"] == "no …/model.safetensors"


def test_the_log_is_read_page_by_page(alice, tiny_search, ledger):
    location = submit(alice, tiny_search).headers["location"]
    job = ledger.job(int(location.rpartition("/")[2]))
    Path(job.log).write_text("one\ntwo\n")
    first = alice.get(f"{location}/logs", params={"limit": 4}).json()
    assert (first["text"], first["is_end"]) == ("one\n", False)
    second = alice.get(f"{location}/logs", params={"offset": first["next_offset"]}).json()
    assert second["text"] == "two\n"


@pytest.mark.parametrize(
    ("method", "rest"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("POST", ":pause"),
        ("POST", ":cancel"),
        ("POST", ":resume"),
        ("GET", "/logs"),
        ("GET", "/events"),
    ],
)
def test_a_foreign_job_answers_as_one_that_there_is_not(alice, api, tiny_search, method, rest):
    job_id = submit(alice, tiny_search).json()["id"]
    bob = api("bob")
    body = {"json": {"trials": 5} if method == "PATCH" else {}} if method != "GET" else {}
    foreign = bob.request(method, f"{JOBS}/{job_id}{rest}", **body)
    unknown = bob.request(method, f"{JOBS}/{job_id + 1000}{rest}", **body)
    assert foreign.status_code == 404
    assert (foreign.status_code, foreign.content) == (unknown.status_code, unknown.content)
    assert alice.get(f"{JOBS}/{job_id}").json()["request"] == "run"


def test_foreign_jobs_are_not_listed(alice, api, admin_api, tiny_search):
    job_id = submit(alice, tiny_search).json()["id"]
    assert api("bob").get(JOBS).json()["jobs"] == []
    assert job_id in [job["id"] for job in admin_api.get(JOBS).json()["jobs"]]


@pytest.mark.parametrize(("method", "rest"), [("POST", ""), ("PATCH", "/1"), ("POST", "/1:cancel")])
def test_a_token_that_may_only_read_changes_nothing(api, method, rest):
    reader = api("alice", ("read",))
    body = {"trials": 5} if method == "PATCH" else {"config": {}}
    assert reader.request(method, f"{JOBS}{rest}", json=body).status_code == 403
