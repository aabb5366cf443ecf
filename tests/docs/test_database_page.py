"""The commands of docs/storage.md that need PostgreSQL, run on a server of their own."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from benchmarks.chaos.postgres import PostgresServer
from storage import HEAD_REVISION, Ledger, current_revision

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def texts(pages: dict[str, list[Any]]) -> dict[str, str]:
    """Blocks of the page by the name in their mark."""
    return {
        block.mark.removeprefix("test: "): block.text
        for block in pages["storage.md"]
        if block.mark.startswith("test: ")
    }


@pytest.fixture
def environment(tmp_path: Path, postgres_server: PostgresServer) -> dict[str, str]:
    """Of an operator on the server's machine, whose psql ends at the first error."""
    (tmp_path / "nas").write_text(f"#!{sys.executable}\nfrom nas.cli import main\nmain()\n")
    (tmp_path / "nas").chmod(stat.S_IRWXU)
    (tmp_path / "psqlrc").write_text("\\set ON_ERROR_STOP on\n")
    own = {name: value for name, value in os.environ.items() if not name.startswith("NAS_")}
    return own | {
        "PATH": os.pathsep.join([str(tmp_path), os.environ["PATH"]]),
        "PYTHONPATH": str(ROOT),
        "PGHOST": str(postgres_server.folder),
        "PGUSER": "nas",
        "PSQLRC": str(tmp_path / "psqlrc"),
    }


def address(postgres_server: PostgresServer, role: str, database: str) -> str:
    return f"postgresql://{role}@/{database}?host={postgres_server.folder}"


def test_one_role_makes_the_tables_and_another_that_cannot_change_them_searches(
    texts: dict[str, str], postgres_server: PostgresServer, environment: dict[str, str], tmp_path: Path
) -> None:
    def run(command: str, typed: str = "") -> None:
        done = subprocess.run(
            [
                "bash",
                "-euo",
                "pipefail",
                "-c",
                command.replace("@HOST/nas", f"@/nas?host={postgres_server.folder}"),
            ],
            input=typed,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"

    run("psql postgres", texts["postgresql-roles"])
    run(texts["postgresql-tables"], texts["postgresql-rights"])
    run(texts["postgresql-driver"])
    driver = address(postgres_server, "nas_driver", "nas")
    with Ledger.open(driver) as ledger:
        ledger.create_study("kept", spec={}, fingerprint={}, seed=0)
    with (
        psycopg.connect(driver) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="must be owner"),
    ):
        connection.execute("ALTER TABLE nas_study ADD COLUMN more text")
    run(texts["postgresql-copy"])
    copy = address(postgres_server, "nas_owner", "nas_copy")
    assert current_revision(copy) == HEAD_REVISION
    with Ledger.open(copy) as ledger:
        assert [study.name for study in ledger.studies()] == ["kept"]
