from __future__ import annotations

import shutil
import sqlite3

import optuna
import pytest

from storage import HEAD_REVISION


@pytest.fixture
def url(tmp_path, monkeypatch):
    monkeypatch.delenv("NAS_STORAGE", raising=False)
    return f"sqlite:///{tmp_path / 'nas.db'}"


def test_upgrade_makes_the_tables_and_current_names_their_revision(command, url):
    assert command("db", "upgrade", url).out == f"{HEAD_REVISION}\n"
    outcome = command("db", "current", url)
    assert (outcome.code, outcome.out) == (0, f"{HEAD_REVISION}\n")
    assert outcome.err == "the tables are up to date\n"


def test_upgrade_of_new_tables_changes_nothing(command, url):
    command("db", "upgrade", url)
    assert command("db", "upgrade", url, "--json").json == {"before": HEAD_REVISION, "after": HEAD_REVISION}


def test_a_database_of_a_newer_version_exits_with_5(command, url, tmp_path):
    command("db", "upgrade", url)
    with sqlite3.connect(tmp_path / "nas.db") as connection:
        connection.execute("UPDATE nas_alembic_version SET version_num = '9999'")
    outcome = command("db", "upgrade", url)
    assert outcome.code == 5
    assert "newer version" in outcome.err
    assert "newer version" in command("db", "current", url).err


def test_current_does_not_make_a_database(command, url, tmp_path):
    assert command("db", "current", url).code == 5
    assert not (tmp_path / "nas.db").exists()


def test_a_url_of_another_kind_exits_with_2(command):
    outcome = command("db", "current", "mysql://host/db")
    assert outcome.code == 2
    assert "not supported" in outcome.err


def test_export_optuna_writes_what_plain_optuna_reads(command, in_finished, tmp_path):
    target = f"sqlite:///{tmp_path / 'optuna.db'}"
    outcome = command("db", "export-optuna", "tiny", target)
    assert (outcome.code, outcome.out) == (0, "tiny\n")
    study = optuna.load_study(study_name="tiny", storage=target)
    assert f"\n{len(study.trials)} trials; " in f"\n{outcome.err}"
    assert [trial.number for trial in study.trials] == list(range(len(study.trials)))


def test_export_optuna_refuses_a_name_that_is_taken_unless_told(command, in_finished, tmp_path):
    target = f"sqlite:///{tmp_path / 'optuna.db'}"
    command("db", "export-optuna", "tiny", target)
    outcome = command("db", "export-optuna", "tiny", target)
    assert outcome.code == 2
    assert "overwrite" in outcome.err
    assert command("db", "export-optuna", "tiny", target, "--overwrite", "--json").json["study"] == "tiny"
    assert command("db", "export-optuna", "tiny", target, "--name", "again", "-q").out == "again\n"


def test_check_finds_nothing_in_a_sound_study(command, in_finished):
    outcome = command("db", "check")
    assert (outcome.code, outcome.out) == (0, "ok: tiny\n")
    assert command("db", "check", "tiny", "--json").json == {"tiny": []}


def test_check_finds_a_result_that_was_changed(command, in_finished, tmp_path, monkeypatch):
    shutil.copy(in_finished / "nas.db", tmp_path / "nas.db")
    monkeypatch.chdir(tmp_path)
    with sqlite3.connect("nas.db") as connection:
        connection.execute("UPDATE nas_trial SET metrics = '{\"score\": 9.0}' WHERE number = 0")
    outcome = command("db", "check", "tiny")
    assert outcome.code == 6
    assert "trial 0 has another result than the one that was recorded" in outcome.err


def test_check_of_an_unknown_study_names_those_there_are(command, in_finished):
    outcome = command("db", "check", "huge")
    assert outcome.code == 2
    assert "tiny" in outcome.err
