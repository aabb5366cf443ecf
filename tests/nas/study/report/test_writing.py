"""The whole report: studies of every kind, and what is loaded to write one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import nas
from nas.errors import StudyNotFoundError
from nas.study.report.opening import report_from
from storage import TrialState

EVIL = "<script>alert(1)</script>"
ANCHORS = [
    "summary",
    "front",
    "baselines",
    "progress",
    "importance",
    "architectures",
    "rank-correlation",
    "costs",
    "environment",
    "commands",
]
HEAVY = ("torch", "transformers", "ray")


def fill_nothing(study):
    del study


def fill_failed(study):
    study.add(None, state=TrialState.FAILED)


def fill_infeasible(study):
    study.add({"accuracy": 0.5, "f1": 0.5})


def fill_one(study):
    study.full(accuracy=0.9, f1=0.9)


@pytest.mark.parametrize("fill", [fill_nothing, fill_failed, fill_infeasible, fill_one])
@pytest.mark.parametrize("number", [1, 2, 4])
def test_a_report_of_any_study_has_all_sections(write, fill, number):
    objectives = ("max accuracy", "min num_parameters", "min macs", "max f1")[:number]
    study = write(objectives=objectives, constraints=["accuracy >= 0.8"])
    fill(study)
    assert [section.anchor for section in study.document.sections] == ANCHORS


def test_a_study_writes_its_report(write, tmp_path):
    study = write()
    study.full()
    path = study.study.report(tmp_path / "new" / "report.html")
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_an_equal_study_gives_an_equal_report(write):
    study = write()
    study.full()
    assert study.document == study.document


def test_names_that_are_markup_stay_text(write, tmp_path):
    study = write(EVIL)
    study.full()
    study.add({"accuracy": 0.5}, origin=f"baseline:{EVIL}")
    page = study.study.report(tmp_path / "report.html").read_text(encoding="utf-8")
    assert EVIL not in page
    assert "<h1>Study &lt;script&gt;alert(1)&lt;/script&gt;</h1>" in page


def test_an_unknown_study_is_told(write, url, tmp_path):
    write()
    with pytest.raises(StudyNotFoundError, match="absent"):
        report_from(url, "absent", tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


@pytest.mark.slow
def test_a_report_is_written_without_torch(write, url, tmp_path):
    study = write()
    study.full()
    study.add({"accuracy": 0.5})
    code = (
        "import json, sys\n"
        "from nas.study.report.opening import report_from\n"
        f"report_from({url!r}, 'tiny', {str(tmp_path / 'report.html')!r})\n"
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(nas.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []
