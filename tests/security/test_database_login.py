"""T12: a PostgreSQL server that refuses the password of the URL; the password is told nowhere."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from benchmarks.chaos.postgres import PostgresServer
from storage import Ledger, UnreachableError

CANARY = "canary5ecret"
ROOT = Path(__file__).resolve().parents[2]
REFUSED = 'password authentication failed for user "nas"'

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def url(make_postgres: Callable[[], PostgresServer]) -> Iterator[str]:
    """Of a server that wants another password."""
    with make_postgres() as server:
        own = server.url.replace("+psycopg", "")
        with psycopg.connect(own, autocommit=True) as connection:
            connection.execute("ALTER ROLE nas PASSWORD 'another'")
            (server.folder / "data" / "pg_hba.conf").write_text("local all all scram-sha-256\n")
            connection.execute("SELECT pg_reload_conf()")
        while _lets_in(own):
            pass  # it reads the file when it comes to it, and once for all
        yield server.url.replace("nas@", f"nas:{CANARY}@")


def _lets_in(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.mark.parametrize("words", [["serve", "--port", "0"], ["search", "ls"]], ids=" ".join)
def test_a_command_that_is_refused_does_not_tell_the_password(words: list[str], url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", "from nas.cli import main; main()", "--verbose", "--debug", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT), "NAS_STORAGE": url},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode != 0
    assert REFUSED in done.stderr
    assert "Traceback" in done.stderr
    assert CANARY not in done.stdout + done.stderr


def test_a_ledger_that_is_refused_does_not_tell_the_password(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(UnreachableError, match=REFUSED) as caught:
        Ledger.open(url)
    told = [*traceback.format_exception(caught.value), repr(caught.value), caplog.text]
    assert [text for text in told if CANARY in text] == []
