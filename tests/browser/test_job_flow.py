"""The whole way in the page: submit, watch, choose, export, download, verify."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from nas.export import verify_folder
from storage import JobState

pytestmark = [pytest.mark.slow, pytest.mark.alone]

FLOW_TIMEOUT_MS = 240_000


@pytest.mark.timeout(900)
def test_a_search_from_the_form_ends_as_a_verified_model_folder(
    signed_in: Any, served: Any, tmp_path: Path
) -> None:
    page = signed_in
    page.set_default_timeout(FLOW_TIMEOUT_MS)
    expect.set_options(timeout=FLOW_TIMEOUT_MS)
    page.goto(f"{served.url}/jobs")
    _submit(page)
    page.wait_for_url(re.compile(r"/jobs/\d+$"))
    page.locator("#events li").nth(2).wait_for()
    page.locator("#job .badge.completed").wait_for()  # told to the open page
    assert "8 of 8" in page.locator("#job").inner_text()
    expect(page.locator("#log")).to_contain_text(re.compile(r"\S{3}"))

    page.get_by_role("link", name="Open the study").click()
    page.get_by_label("Parameters, at most, slider").focus()
    with page.expect_response(re.compile("/view")):
        page.keyboard.press("ArrowLeft")
    page.wait_for_url(re.compile(r"max\.num_parameters="))
    page.locator("#best a").click()

    page.get_by_role("button", name="Export").click()
    page.wait_for_url(re.compile("/exports#export-"))
    with page.expect_download() as download:
        page.get_by_role("link", name="Download all as a zip").click()
    archive = tmp_path / "subnet.zip"
    download.value.save_as(archive)
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(tmp_path / "subnet")
    folder = next((tmp_path / "subnet").rglob("nas.json")).parent
    verify_folder(folder)


def _submit(page: Any) -> None:
    page.get_by_label("Name of the study").fill("from-the-page")
    page.get_by_label("Model", exact=True).select_option("tiny-bert")
    page.get_by_label("Training data").select_option("tiny-train")
    page.get_by_label("Validation data").select_option("tiny-validation")
    page.get_by_label("Tokens of an example").fill("16")
    page.get_by_label("Passes of training before the ranking").fill("20")
    page.get_by_label("Trials", exact=True).fill("8")
    page.locator("#submit").get_by_role("button", name="Submit").click()


def test_a_job_waits_is_extended_and_stopped(signed_in: Any, served: Any) -> None:
    job = served.ledger.create_job("waiting", config={"name": "waiting"}, trials=10)
    page = signed_in
    page.goto(f"{served.url}/jobs/{job.id}")
    page.get_by_label("Trials in all").fill("25")
    _wait_until_read_anew(page)  # which a page does by itself while a reader types
    expect(page.get_by_label("Trials in all")).to_be_focused()
    page.get_by_role("button", name="Change").click()
    page.get_by_text("of 25 evaluated").wait_for()
    page.get_by_role("button", name="Stop").hover()
    page.mouse.down()
    with page.expect_response(re.compile("/standing")):  # which must not take the button from under the press
        pass
    page.mouse.up()
    expect(page.locator("#job .badge")).to_have_text("cancelled")
    assert served.ledger.job(job.id).state is JobState.CANCELLED


def _wait_until_read_anew(page: Any) -> None:
    page.locator("#job").evaluate("job => job.classList.add('before')")
    page.locator("#job:not(.before)").wait_for()


def test_a_config_that_is_not_allowed_is_explained(signed_in: Any, served: Any, console: Any) -> None:
    console.allowed.append("status of 422")
    page = signed_in
    page.goto(f"{served.url}/jobs")
    page.get_by_text("Submit a config file in place of the form").click()
    page.get_by_label("Config as YAML").fill("name: x\nstorage: {url: sqlite:////etc/passwd}\n")
    page.locator("#submit-yaml").get_by_role("button", name="Submit").click()
    page.get_by_role("alert").wait_for()
    assert "storage" in page.get_by_role("alert").inner_text()
