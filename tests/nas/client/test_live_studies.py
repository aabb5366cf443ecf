"""Whether a study runs, and what happened to it last: the same over REST as in a database."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.filled_study import filled_study
from nas.cli.search_list import study_line
from nas.client import StudyFacts
from nas.jobs import list_studies
from storage import JobState, Ledger, StudyState

NAME = "alice.filled"
STUDY = f"/api/v1/studies/{NAME}"


@pytest.fixture(scope="module")
def tiny_study(tmp_path_factory) -> Path:
    """A folder with a database of one study."""
    folder = tmp_path_factory.mktemp("live")
    (folder / "artifacts").mkdir()
    filled_study(f"sqlite:///{folder / 'nas.db'}", 20, NAME)
    return folder


@pytest.fixture
def ledger(app) -> Ledger:
    return app.state.service.ledger


def drive(ledger, *, is_held: bool) -> None:
    """Say that the study runs, with or without a driver that holds it."""
    lease = ledger.acquire(NAME, owner="here:1", seconds=600)
    ledger.set_study_state(lease, StudyState.RUNNING)
    if not is_held:
        ledger.release(lease)


@pytest.fixture
def job(app, ledger) -> int:
    """Number of a queued search of the study, which nobody begins."""
    app.state.service.dispatcher.close()
    submitted = ledger.submit_job(NAME, kind="search", config={}, trials=30, account="alice", log=None)
    return int(submitted.job.id)


@pytest.mark.parametrize("is_held", [True, False])
def test_a_study_that_runs_is_live_as_long_as_a_driver_holds_it(admin_api, ledger, service_settings, is_held):
    drive(ledger, is_held=is_held)
    study = admin_api.get(STUDY).json()
    assert (study["state"], study["is_live"]) == ("RUNNING", is_held)
    (stored,) = list_studies(service_settings.storage.url)
    assert stored.is_live == is_held
    lines = [study_line(StudyFacts.from_json(study), 0), study_line(stored, 0)]
    assert [line.state for line in lines] == ["RUNNING" if is_held else "LOST"] * 2


def test_the_page_of_a_study_whose_driver_died_does_not_wait_for_news(admin_api, ledger):
    drive(ledger, is_held=False)
    page = admin_api.get(f"/studies/{NAME}").text
    assert 'data-live="false"' in page
    assert 'data-live="true"' not in page


def test_a_study_whose_job_is_queued_is_live(admin_api, job):
    study = admin_api.get(STUDY).json()
    assert (study["job_id"], study["is_live"]) == (job, True)


def test_a_study_whose_job_was_lost_is_not_live(admin_api, ledger, job):
    lease = ledger.claim_job(job, owner="here:2", seconds=600)
    ledger.set_job_state(lease, JobState.RUNNING)
    assert admin_api.get(STUDY).json()["is_live"] is True
    ledger.release_job(lease)  # as if its supervisor had died: nobody renews the lease
    drive(ledger, is_held=False)
    study = admin_api.get(STUDY).json()
    assert (study["state"], study["job_id"], study["is_live"]) == ("RUNNING", job, False)


def test_a_finished_study_is_not_live(admin_api):
    assert admin_api.get(STUDY).json()["is_live"] is False


def test_the_last_events_are_the_newest_oldest_first(admin_api, ledger):
    study = ledger.study(NAME).id
    found = admin_api.get(f"{STUDY}/events", params={"limit": 5}).json()["events"]
    expected = ledger.events(study, limit=100_000)[-5:]
    assert [(event["id"], event["kind"]) for event in found] == [(event.id, event.kind) for event in expected]


def test_events_that_are_not_to_be_told_take_no_place_among_the_last(admin_api, ledger):
    study = ledger.study(NAME).id
    ledger.add_event(study, "config", {"config": {"storage": "/srv/secret"}})
    found = admin_api.get(f"{STUDY}/events", params={"limit": 2}).json()["events"]
    assert [event["kind"] for event in found] == ["state_changed", "lease_released"]
    assert all("owner" not in event["payload"] for event in found)


@pytest.mark.parametrize("limit", [0, 1001])
def test_fewer_than_one_event_and_more_than_a_thousand_are_refused(admin_api, limit):
    assert admin_api.get(f"{STUDY}/events", params={"limit": limit}).status_code == 422


def test_the_events_of_a_foreign_study_are_answered_like_those_of_none(api):
    foreign, missing = api("bob").get(f"{STUDY}/events"), api("bob").get("/api/v1/studies/none/events")
    assert (foreign.status_code, foreign.text) == (404, missing.text)
