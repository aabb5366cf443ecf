from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("altair")
pytest.importorskip("vl_convert")


def test_the_page_is_written_and_named(in_finished, command, tmp_path):
    path = tmp_path / "tiny.html"
    outcome = command("report", "tiny", "-o", path)
    assert (outcome.code, outcome.out) == (0, f"{path}\n")
    assert "<h1>Study tiny</h1>" in path.read_text(encoding="utf-8")


def test_without_a_path_it_is_written_to_the_working_directory(in_finished, command, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    outcome = command("report", "tiny", "--storage", f"sqlite:///{in_finished / 'nas.db'}", "--json")
    assert outcome.json["path"] == "report.html"
    assert outcome.json["bytes"] == Path("report.html").stat().st_size


def test_quietly_it_prints_the_path_alone(in_finished, command, tmp_path):
    outcome = command("report", "tiny", "-q", "-o", tmp_path / "a.html")
    assert (outcome.out, outcome.err) == (f"{tmp_path / 'a.html'}\n", "")


def test_an_unknown_study_writes_nothing(in_finished, command, tmp_path):
    outcome = command("report", "absent", "-o", tmp_path / "a.html")
    assert outcome.code != 0
    assert "absent" in outcome.err
    assert not list(tmp_path.iterdir())


def test_a_missing_database_is_not_made(command, tmp_path, monkeypatch):
    monkeypatch.delenv("NAS_STORAGE", raising=False)
    monkeypatch.chdir(tmp_path)
    assert command("report", "tiny").code == 5
    assert not list(tmp_path.iterdir())
