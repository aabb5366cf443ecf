"""The buttons of a job's page that pause a search and go on with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from storage import JobHeldError, JobLease, JobRequest, JobState, JobStateError

pytestmark = [pytest.mark.slow, pytest.mark.alone]

ACCOUNT = "operator"
CONFIG = {"name": "held", "model": {"id": "nowhere"}}


@pytest.fixture
def lease(served: Any) -> Iterator[JobLease]:
    """The lease of a search that leaves the service no room, so that what is queued stays so."""
    found = None
    while found is None:
        job = served.ledger.create_job("busy", config=CONFIG, account=ACCOUNT)
        try:
            found = served.ledger.claim_job(job.id, owner="test/1", seconds=3600)
        except (JobHeldError, JobStateError):
            continue  # the service looked at it first, and failed it: its model is nowhere
    served.ledger.set_job_state(found, JobState.RUNNING)
    yield found
    served.ledger.set_job_state(found, JobState.CANCELLED)
    served.ledger.release_job(found)


@pytest.mark.usefixtures("lease")
def test_a_running_search_is_paused_and_goes_on(signed_in: Any, served: Any) -> None:
    ledger, page = served.ledger, signed_in
    job = ledger.create_job("paused", config=CONFIG, account=ACCOUNT, trials=10)
    own = ledger.claim_job(job.id, owner="test/2", seconds=3600)
    ledger.set_job_state(own, JobState.RUNNING)
    page.goto(f"{served.url}/jobs/{job.id}")
    badge, pause, resume = _badge(page), _button(page, "Pause"), _button(page, "Resume")
    expect(badge).to_have_text("running")
    expect(resume).to_have_count(0)

    pause.focus()
    page.keyboard.press("Enter")
    expect(badge).to_have_text("pausing")
    expect(pause).to_have_count(0)
    expect(resume).to_have_count(0)  # before what is in flight has ended
    assert ledger.job(job.id).request is JobRequest.PAUSE

    ledger.set_job_state(own, JobState.PAUSED)
    ledger.release_job(own)
    expect(badge).to_have_text("paused")
    resume.click()
    expect(badge).to_have_text("queued")
    expect(resume).to_have_count(0)
    found = ledger.job(job.id)
    assert (found.state, found.request) == (JobState.QUEUED, JobRequest.RUN)

    _button(page, "Stop").click()
    expect(badge).to_have_text("cancelled")
    expect(page.locator("#job button")).to_have_count(0)


@pytest.mark.usefixtures("lease")
def test_resuming_a_failed_search_leads_to_its_successor(signed_in: Any, served: Any) -> None:
    ledger, page = served.ledger, signed_in
    job = ledger.create_job("failed", config=CONFIG, account=ACCOUNT, trials=10)
    own = ledger.claim_job(job.id, owner="test/2", seconds=3600)
    ledger.set_job_state(own, JobState.FAILED, reason="out of memory", exit_code=1)
    page.goto(f"{served.url}/jobs/{job.id}")
    expect(page.locator("#job")).to_contain_text("out of memory")
    expect(_button(page, "Pause")).to_have_count(0)
    _button(page, "Resume").click()
    page.wait_for_url(re.compile(rf"/jobs/(?!{job.id}$)\d+$"))
    expect(_badge(page)).to_have_text("queued")
    expect(page.get_by_role("heading", level=1)).to_contain_text("failed")  # of the same study
    [successor] = [one for one in ledger.jobs(study="failed") if one.id != job.id]
    assert page.url.endswith(f"/jobs/{successor.id}")
    _button(page, "Stop").click()
    expect(_badge(page)).to_have_text("cancelled")


def _badge(page: Any) -> Any:
    return page.locator("#job .badge")


def _button(page: Any, name: str) -> Any:
    return page.locator("#job").get_by_role("button", name=name, exact=True)
