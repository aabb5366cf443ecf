"""How the quickstart's result is shown; the flow itself is tested with `nas.jobs`."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas import jobs


@pytest.fixture
def asked(in_finished, monkeypatch):
    """The options that the job was called with; it answers with the finished study."""
    asked = []

    def run_quickstart(options, *, show_progress):
        asked.append(options)
        study = jobs.open_study("tiny", url="sqlite:///nas.db")
        return jobs.QuickstartResult(
            study=study,
            selected=study.best(),
            test_metrics={"full": 0.91, "selected": 0.9},
            pictures=[Path("front.svg")],
            exported=Path("subnet/trial-1"),
            config=Path("quickstart.yaml"),
            seconds=3.0,
        )

    monkeypatch.setattr(jobs, "run_quickstart", run_quickstart)
    return asked


def test_the_front_the_picture_and_the_folder_are_shown(command, asked):
    outcome = command("quickstart")
    assert outcome.code == 0
    assert outcome.out.startswith("Pareto front of tiny: ")
    assert "exported       subnet/trial-1" in outcome.out
    assert "picture (svg)  front.svg" in outcome.out
    assert "  nas verify subnet/trial-1\n" in outcome.err


def test_options_reach_the_job_and_its_defaults_are_kept(command, asked):
    command("quickstart")
    command(
        "quickstart", "--trials", "9", "--workers", "serial", "--folder", "f", "--model", "m", "--passes", "6"
    )
    other = {"trials": 9, "workers": "serial", "folder": Path("f"), "model": "m", "passes": 6}
    assert asked == [jobs.QuickstartOptions(), jobs.QuickstartOptions(**other)]


def test_json_names_what_was_selected_and_exported(command, asked):
    record = command("quickstart", "--json").json
    assert record["exported"] == "subnet/trial-1"
    assert record["selected"]["id"] in [trial["id"] for trial in record["front"]]


def test_an_interruption_says_how_to_go_on(command, asked, monkeypatch):
    def interrupted(options, *, show_progress):
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "run_quickstart", interrupted)
    outcome = command("quickstart", "--folder", "f", "--passes", "6")
    assert outcome.code == 130
    assert "nas quickstart --folder f --trials 48 --passes 6 --workers ray --seed 0\n" in outcome.err
