"""The backup and restore commands of docs/operations.md, run as they stand there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from benchmarks.chaos.postgres import PostgresServer
from storage import Ledger

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
ROOT = PAGE.parents[1]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def commands(name: str) -> str:
    """The fenced block behind the marker of that name."""
    found = re.search(rf"<!-- test: {name} -->\n```bash\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None, f"the page has no block {name}"
    return found[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with artefacts, in which `nas` is a command."""
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "weights").write_text("first")
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "nas"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from nas.cli import main; main()" "$@"\n')
    command.chmod(0o755)
    return tmp_path


def run(script: str, folder: Path, **environment: str) -> str:
    done = subprocess.run(
        ["bash", "-euc", script],
        cwd=folder,
        env={
            **os.environ,
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def fill(url: str, name: str) -> None:
    with Ledger.open(url) as ledger:
        ledger.create_study(name, spec={}, fingerprint={}, seed=0)


def names(url: str) -> list[str]:
    with Ledger.open(url) as ledger:
        return [study.name for study in ledger.studies()]


def test_sqlite_comes_back_as_it_was(folder: Path) -> None:
    if shutil.which("sqlite3") is None:
        pytest.skip("the command sqlite3 is not installed")
    url = f"sqlite:///{folder / 'nas.db'}"
    fill(url, "kept")
    with Ledger.open(url) as in_use:  # its write-ahead log is not in the file yet
        in_use.create_study("kept-too", spec={}, fingerprint={}, seed=0)
        run(commands("sqlite-backup"), folder)
    fill(url, "later")
    (folder / "artifacts" / "weights").write_text("second")
    checked = run(commands("sqlite-restore"), folder)
    assert "ok: kept\nok: kept-too" in checked
    assert names(url) == ["kept", "kept-too"]
    assert (folder / "artifacts" / "weights").read_text() == "first"


def test_a_dot_backup_is_as_good(folder: Path) -> None:
    if shutil.which("sqlite3") is None:
        pytest.skip("the command sqlite3 is not installed")
    (command,) = re.findall(r"`(sqlite3 nas\.db \"\.backup [^`]*)`", PAGE.read_text())
    fill(f"sqlite:///{folder / 'nas.db'}", "kept")
    run(f"mkdir backup\n{command}", folder)
    assert names(f"sqlite:///{folder / 'backup' / 'nas.db'}") == ["kept"]


def test_postgresql_comes_back_as_it_was(folder: Path, postgres_server: PostgresServer) -> None:
    first = postgres_server.url.replace("+psycopg", "")
    fill(postgres_server.url, "kept")
    run(commands("postgresql-backup"), folder, DATABASE=first)
    fill(postgres_server.url, "later")
    (folder / "artifacts" / "weights").write_text("second")
    with psycopg.connect(first, autocommit=True) as connection:
        connection.execute("CREATE DATABASE restored")
    restored = first.replace("/postgres?", "/restored?")
    checked = run(commands("postgresql-restore"), folder, RESTORED=restored)
    assert "ok: kept" in checked
    assert names(restored) == ["kept"]
    assert (folder / "artifacts" / "weights").read_text() == "first"
