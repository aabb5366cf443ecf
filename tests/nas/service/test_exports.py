"""Exports over REST: chosen, run as jobs, downloaded; and nothing else of the machine is."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

import nas
from nas.jobs.driver import run_job
from nas.service import dispatcher
from storage import ExportFile, JobLease, JobState, Ledger

EXPORTS = "/api/v1/exports"
STUDY = "alice.tiny"
SMALL = "num_parameters <= 0.6 * baseline"


@pytest.fixture(scope="module")
def tiny_study(tiny_files, tmp_path_factory):
    """A folder with the database and supernet of a study of alice; larger models score higher."""
    folder = tmp_path_factory.mktemp("exports")
    url = f"sqlite:///{folder / 'nas.db'}"
    supernet = nas.Supernet.from_pretrained(tiny_files / "model", num_labels=2)
    supernet.save(folder / "artifacts" / STUDY / "supernet")
    with Ledger.open(url) as ledger:
        job = ledger.submit_job(STUDY, kind="search", config={}, trials=None, account="alice", log=None).job
        study = nas.create_study(
            STUDY,
            storage=url,
            supernet=supernet,
            objectives=["max score", "min num_parameters"],
            metrics=["score"],
            sampler="random",
        )
        with study:
            study.optimize(lambda model: float(model.num_parameters()), 8)
        ledger.set_job_state(ledger.claim_job(job.id, owner="test/1"), JobState.COMPLETED)
    return folder


@pytest.fixture(autouse=True)
def _supervisors(monkeypatch):
    """Supervisors do nothing, for a long time."""
    started: list[subprocess.Popen[bytes]] = []

    def start(job, url):
        started.append(subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"]))
        return started[-1]

    monkeypatch.setattr(dispatcher, "start_supervisor", start)
    yield
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def ledger(app):
    return app.state.service.ledger


@pytest.fixture
def alice(api):
    return api("alice")


def submit(client: Any, **body: Any) -> Any:
    return client.post(EXPORTS, json={"study": STUDY} | body)


def held(ledger: Ledger, export_id: int) -> JobLease:
    return ledger.claim_job(export_id, owner="test/1", seconds=600)


@pytest.fixture
def completed(alice, ledger, service_settings):
    """An export that is completed: two files of some bytes, beside one that belongs to nobody."""
    export_id = submit(alice, trial=0).json()["id"]
    folder = Path(service_settings.folder) / "artifacts" / "exports" / str(export_id)
    (folder / "templates").mkdir(parents=True)
    contents = {"model.safetensors": b"weights" * 1000, "templates/tool.jinja": b"{{ tool }}"}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    (folder / "unlisted").write_bytes(b"secret")
    lease = held(ledger, export_id)
    rows = [
        ExportFile(name=name, sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))
        for name, content in contents.items()
    ]
    ledger.put_export_files(lease, rows)
    ledger.set_job_state(lease, JobState.COMPLETED)
    return f"{EXPORTS}/{export_id}"


def test_an_export_of_a_trial_is_accepted(alice):
    answer = submit(alice, trial=0, formats=["hf", "onnx"], weights="supernet")
    export = answer.json()
    assert (answer.status_code, export["trial"], export["formats"]) == (202, 0, ["hf", "onnx"])
    assert answer.headers["location"] == f"{EXPORTS}/{export['id']}"
    assert alice.get(answer.headers["location"]).json()["state"] == "QUEUED"


def test_the_best_within_budgets_is_chosen_at_once(alice):
    export = submit(alice, where=[SMALL]).json()
    select = alice.post(f"/api/v1/studies/{STUDY}/select", json={"where": [SMALL]}).json()
    assert (export["trial"], export["where"]) == (select["number"], [SMALL])


def test_budgets_that_nothing_meets_are_told_with_the_nearest(alice):
    answer = submit(alice, where=["num_parameters <= 1"])
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/infeasible")
    assert answer.json()["nearest"].startswith("trial ")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"trial": 0, "where": []},
        {"trial": 10_000},
        {"trial": -1},
        {"trial": "0"},
        {"trial": 0, "formats": []},
        {"trial": 0, "formats": ["pickle"]},
        {"trial": 0, "weights": "/etc/passwd"},
        {"trial": 0, "artifacts": "/etc"},
        {"where": ["latency_ms << 3"]},
    ],
)
def test_an_export_that_is_not_allowed_is_refused(alice, body):
    assert submit(alice, **body).status_code == 422


def test_an_export_that_would_be_too_large_is_refused(alice, service_settings):
    limits = service_settings.limits.model_copy(update={"export_bytes": 1000})
    object.__setattr__(service_settings, "limits", limits)
    answer = submit(alice, trial=0)
    assert (answer.status_code, "this server allows" in answer.json()["detail"]) == (422, True)


def test_an_export_that_becomes_too_large_fails_and_leaves_nothing(
    alice, ledger, service_settings, monkeypatch
):
    monkeypatch.chdir(service_settings.folder)  # a driver changes its folder
    trial = alice.get(f"/api/v1/studies/{STUDY}/trials/0").json()
    weights = int(4 * trial["metrics"]["num_parameters"])
    limits = service_settings.limits.model_copy(update={"export_bytes": weights})
    object.__setattr__(service_settings, "limits", limits)
    export_id = submit(alice, trial=0).json()["id"]
    with pytest.raises(nas.ConfigError, match=r"limits\.export_bytes of a service"):
        run_job(service_settings.storage.url, export_id)
    assert [*(Path(service_settings.folder) / "artifacts" / "exports").iterdir()] == []


def test_a_repeated_request_with_its_key_gives_the_same_export(alice):
    headers = {"Idempotency-Key": "one"}
    first, second = (
        alice.post(EXPORTS, json={"study": STUDY, "trial": 0}, headers=headers) for _ in range(2)
    )
    assert first.json()["id"] == second.json()["id"]
    assert second.headers["idempotent-replayed"] == "true"


def test_exports_run_beside_each_other_in_one_study(alice):
    assert [submit(alice, trial=number).status_code for number in (0, 1)] == [202, 202]


def test_exports_are_listed_the_newest_first(alice):
    ids = [submit(alice, trial=0).json()["id"] for _ in range(3)]
    page = alice.get(EXPORTS, params={"limit": 2}).json()
    assert [export["id"] for export in page["exports"]] == [ids[2], ids[1]]
    rest = alice.get(EXPORTS, params={"limit": 2, "page_token": page["next_page_token"]}).json()
    assert [export["id"] for export in rest["exports"]] == [ids[0]]


def test_a_search_is_no_export(alice, ledger):
    [search] = [job for job in ledger.jobs(account="alice") if job.kind == "search"]
    assert alice.get(f"{EXPORTS}/{search.id}").status_code == 404


def test_files_are_downloaded_where_the_export_says(alice, completed):
    for file in alice.get(completed).json()["files"]:
        answer = alice.get(file["url"])
        assert hashlib.sha256(answer.content).hexdigest() == file["sha256"]
        assert answer.headers["etag"] == f'"{file["sha256"]}"'
        assert answer.headers["content-disposition"].startswith("attachment")


def test_a_download_is_taken_up_where_it_broke(alice, completed):
    answer = alice.get(f"{completed}/files/model.safetensors", headers={"Range": "bytes=6993-"})
    assert (answer.status_code, answer.content) == (206, b"weights")


def test_the_archive_holds_every_file_and_no_other(alice, completed):
    answer = alice.get(f"{completed}/archive")
    names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert [name.partition("/")[2] for name in names] == ["model.safetensors", "templates/tool.jinja"]


@pytest.mark.parametrize("rest", ["files/model.safetensors", "archive"])
def test_an_export_that_is_not_completed_has_nothing_to_download(alice, rest):
    location = submit(alice, trial=0).headers["location"]
    assert alice.get(f"{location}/{rest}").status_code == 409


@pytest.mark.parametrize(
    "name",
    [
        "unlisted",
        "..%2f..%2f..%2fnas.db",
        "%2e%2e/%2e%2e/nas.db",
        "..%252f..%252fnas.db",
        "..\\..\\nas.db",
        "%2fetc%2fpasswd",
        "model.safetensors%00.txt",
        "templates/tool.jinja",
        "templates%2ftool.jinja",
        "．．／nas.db",
    ],
)
def test_a_name_that_is_no_row_leads_nowhere(alice, completed, name):
    answer = alice.get(f"{completed}/files/{name}")
    assert answer.status_code in (400, 404)
    assert b"secret" not in answer.content


@pytest.mark.parametrize("rest", ["", "/files/model.safetensors", "/archive"])
def test_a_foreign_export_answers_as_one_that_there_is_not(api, completed, rest):
    bob = api("bob")
    foreign, unknown = bob.get(f"{completed}{rest}"), bob.get(f"{EXPORTS}/999{rest}")
    assert (foreign.status_code, foreign.content) == (404, unknown.content)


def test_a_foreign_study_is_not_exported(api):
    assert submit(api("bob"), trial=0).status_code == 404
    assert submit(api("bob"), trial=0, study="nobody.has").status_code == 404


def test_only_who_may_export_does(api):
    assert submit(api("alice", ("read", "search")), trial=0).status_code == 403


def test_a_failure_names_no_folder(alice, ledger, service_settings, monkeypatch):
    monkeypatch.chdir(service_settings.folder)  # a driver changes its folder
    supernet = Path(service_settings.folder) / "artifacts" / STUDY / "supernet"
    supernet.rename(supernet.with_name("away"))
    location = submit(alice, trial=0).headers["location"]
    job = ledger.job(int(location.rpartition("/")[2]))
    with pytest.raises(nas.ConfigError) as caught:
        run_job(service_settings.storage.url, job.id)
    ledger.set_job_state(held(ledger, job.id), JobState.FAILED, reason=str(caught.value))
    answer = alice.get(location)
    assert "the supernet of study 'alice.tiny' is not at …/supernet" in answer.json()["reason"]
    assert str(service_settings.folder) not in answer.text
