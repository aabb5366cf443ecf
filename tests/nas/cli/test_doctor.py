from __future__ import annotations

import sqlite3

import pytest

from nas.cli import checks


@pytest.fixture(autouse=True)
def in_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("NAS_STORAGE", raising=False)
    monkeypatch.chdir(tmp_path)


def status_by_name(outcome):
    return {check["name"]: check["status"] for check in outcome.json}


def test_all_is_well_where_everything_is_installed(command):
    outcome = command("doctor", "--json")
    assert outcome.code == 0
    assert {"torch", "processor", "database", "devices", "ray import"} <= status_by_name(outcome).keys()
    assert "missing" not in status_by_name(outcome).values()


def test_a_package_that_is_missing_fails_and_is_named(command, monkeypatch):
    monkeypatch.setattr(checks, "NEEDED", (*checks.NEEDED, "no-such-package"))
    outcome = command("doctor")
    assert outcome.code == 1
    assert "no-such-package" in outcome.err
    assert "pip install subnas" in outcome.out


def test_an_extra_that_is_missing_is_advice(monkeypatch):
    monkeypatch.setattr(checks, "EXTRAS", {"report": ("no_such_module",)})
    assert [(check.status, check.advice) for check in checks.extras()] == [
        ("advice", 'pip install "subnas[report]"')
    ]


def test_a_database_of_another_version_exits_with_5(command, tmp_path):
    command("db", "upgrade", "sqlite:///nas.db")
    with sqlite3.connect(tmp_path / "nas.db") as connection:
        connection.execute("UPDATE nas_alembic_version SET version_num = '0000'")
    outcome = command("doctor", "--json")
    assert outcome.code == 5
    assert status_by_name(outcome)["database"] == "missing"


def test_a_database_that_cannot_be_made_exits_with_5(command):
    outcome = command("doctor", "--storage", "sqlite:////no/such/folder/nas.db")
    assert outcome.code == 5
    assert "/no/such/folder" in outcome.out


def test_looking_makes_no_database(command, tmp_path):
    command("doctor")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(checks, "ENOUGH_BYTES", 2**80)
    assert {check.status for check in checks.folders(tmp_path)} == {"advice"}


def test_a_file_in_place_of_a_folder_is_told(tmp_path):
    (tmp_path / "artifacts").write_text("")
    assert checks.folders(tmp_path / "artifacts")[1].status == "missing"


@pytest.mark.slow
@pytest.mark.alone
def test_ray_runs_a_task(command):
    outcome = command("doctor", "--ray", "--json")
    assert outcome.code == 0
    assert status_by_name(outcome)["ray cluster"] == "ok"


def test_a_runtime_that_is_missing_is_advice(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "openvino" else name)
    found = {check.name: check for check in checks.runtimes()}
    assert found["runtime torch"].status == "ok"
    assert found["runtime openvino"].status == "advice"
    assert found["runtime openvino"].found == "openvino not installed"
    assert found["runtime openvino"].advice == 'pip install "subnas[export]"'
