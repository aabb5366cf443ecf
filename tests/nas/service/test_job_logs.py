"""Logs of jobs by pages, and what is not told of the machine."""

from __future__ import annotations

import pytest

from nas.service.job_logs import log_page
from nas.service.redaction import redacted, redacted_payload
from storage import JobState, Ledger


@pytest.fixture
def logged(tmp_path):
    """Makes a job whose log holds a text; it is over unless told otherwise."""
    with Ledger.open(f"sqlite:///{tmp_path / 'nas.db'}") as ledger:

        def make(text: str, *, is_over: bool = True):
            log = tmp_path / "a.log"
            log.write_text(text)
            job = ledger.create_job("a", config={}, log=str(log))
            if is_over:
                lease = ledger.claim_job(job.id, owner="test/1")
                ledger.set_job_state(lease, JobState.COMPLETED)
            return ledger.job(job.id)

        yield make


def test_a_log_is_read_to_its_end(logged):
    page = log_page(logged("one\ntwo\nthr"), 0, 1000)
    assert (page.text, page.next_offset, page.is_end) == ("one\ntwo\nthr", 11, True)


def test_pages_end_with_lines_and_give_the_whole_log(logged):
    job, parts, offset = logged("".join(f"line {n}\n" for n in range(50))), [], 0
    while True:
        page = log_page(job, offset, 20)
        parts.append(page.text)
        assert page.text.endswith("\n")
        offset = page.next_offset
        if page.is_end:
            break
    assert "".join(parts) == "".join(f"line {n}\n" for n in range(50))


def test_a_line_that_is_still_written_waits_for_its_end(logged):
    page = log_page(logged("one\ntw", is_over=False), 0, 1000)
    assert (page.text, page.next_offset, page.is_end) == ("one\n", 4, False)


def test_a_line_longer_than_the_limit_is_sent_whole(logged):
    page = log_page(logged(f"{'x' * 300}\nshort\n"), 0, 100)
    assert (len(page.text), page.next_offset) == (301, 301)


def test_a_log_that_is_gone_is_empty(logged, tmp_path):
    job = logged("one\n")
    (tmp_path / "a.log").unlink()
    assert log_page(job, 0, 100).text == ""


def test_a_log_that_is_a_link_is_not_read(logged, tmp_path):
    job = logged("one\n")
    (tmp_path / "a.log").rename(tmp_path / "other")
    (tmp_path / "a.log").symlink_to(tmp_path / "other")
    assert log_page(job, 0, 100).text == ""


def test_passwords_and_folders_are_not_told(logged):
    text = "opened postgresql://nas:hunter2@db/nas\nloaded /srv/models/secret-place/model.safetensors\n"
    told = log_page(logged(text), 0, 1000).text
    assert "hunter2" not in told
    assert "secret-place" not in told
    assert "…/model.safetensors" in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "the supernet is not at /srv/artifacts/rte/supernet; give",
            "the supernet is not at …/supernet; give",
        ),
        ("File '/usr/lib/python3/nas/jobs/driver.py', line 3", "File '…/driver.py', line 3"),
        ("12/20 trials, 3 tokens/s, and/or", "12/20 trials, 3 tokens/s, and/or"),
        ("see https://example.org/a/b/c", "see https://example.org/a/b/c"),
    ],
)
def test_only_the_last_name_of_a_path_is_told(text, told):
    assert redacted(text) == told


def test_events_do_not_name_machines():
    payload = {"job": 1, "owner": "host/12", "reasons": ["no /srv/secret/file", {"folder": "/srv"}]}
    assert redacted_payload(payload) == {"job": 1, "reasons": ["no …/file", {}]}
