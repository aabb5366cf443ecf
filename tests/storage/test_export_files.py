"""Files that export jobs made."""

from __future__ import annotations

from typing import Any

import pytest

from storage import ExportFile, JobFencedError, JobLease, Ledger

SHA, OTHER = "ab" * 32, "cd" * 32
FILES = [
    ExportFile(name="model.safetensors", sha256=SHA, size_bytes=2**40),
    ExportFile(name="config.json", sha256=OTHER, size_bytes=0),
]


@pytest.fixture
def held(ledger: Ledger) -> JobLease:
    job = ledger.create_job("rte", kind="export", config={})
    return ledger.claim_job(job.id, owner="host/1", seconds=60)


def kinds(ledger: Ledger) -> list[str]:
    return [event.kind for event in ledger.events(None)]


def test_files_of_an_export_are_listed_by_name(ledger: Ledger, held: JobLease) -> None:
    ledger.put_export_files(held, FILES)
    assert ledger.export_files(held.job_id) == FILES[::-1]
    assert ledger.export_files(held.job_id + 1) == []


def test_files_that_are_put_again_take_the_place_of_the_former(ledger: Ledger, held: JobLease) -> None:
    ledger.put_export_files(held, FILES)
    ledger.put_export_files(held, FILES[:1])
    assert ledger.export_files(held.job_id) == FILES[:1]
    ledger.put_export_files(held, [])
    assert ledger.export_files(held.job_id) == []


def test_putting_equal_files_again_logs_nothing(ledger: Ledger, held: JobLease) -> None:
    for files in (FILES, FILES[::-1]):
        ledger.put_export_files(held, files)
    assert kinds(ledger) == ["job_created", "job_claimed", "export_stored"]


def test_a_supervisor_that_lost_the_job_stores_no_files(ledger: Ledger, held: JobLease) -> None:
    ledger.release_job(held)
    with pytest.raises(JobFencedError):
        ledger.put_export_files(held, FILES)
    assert ledger.export_files(held.job_id) == []


@pytest.mark.parametrize(
    "wrong",
    [{"name": ""}, {"name": "a\0"}, {"name": "x" * 201}, {"sha256": "abc"}, {"size_bytes": -1}],
)
def test_a_file_that_can_not_be_stored_is_refused(
    ledger: Ledger, held: JobLease, wrong: dict[str, Any]
) -> None:
    given: dict[str, Any] = {"name": "a", "sha256": SHA, "size_bytes": 1}
    with pytest.raises(ValueError, match=r"allowed|NUL"):
        ledger.put_export_files(held, [ExportFile(**(given | wrong))])
    assert ledger.export_files(held.job_id) == []


def test_two_files_of_one_name_are_refused(ledger: Ledger, held: JobLease) -> None:
    with pytest.raises(ValueError, match="each once"):
        ledger.put_export_files(held, [FILES[0], FILES[0]])
