"""Exit codes and messages."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

import nas
from nas.cli import errors
from nas.errors import ExportVerificationError, StorageError, TooManyFailuresError

NAS = [sys.executable, "-c", "from nas.cli import main; main()"]
SEARCH = [*NAS, "search", "run", "job.yaml"]
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("NAS_")} | {
    "PYTHONPATH": str(Path(nas.__file__).parents[1])
}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-such-command"], "No such command"),
        (["search", "run"], "Missing argument"),
        (["search", "run", "missing.yaml"], "error: config file missing.yaml: No such file"),
        (["trials", "ls", "x", "--limit", "0"], "--limit"),
    ],
)
def test_usage_and_config_errors_exit_with_2(command, job, arguments, message):
    outcome = command(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err


def test_a_message_has_no_traceback_unless_it_is_asked_for(command, job):
    assert "Traceback" not in command("config", "check", "missing.yaml").err
    outcome = command("config", "check", "missing.yaml", "--debug")
    assert "Traceback" in outcome.err
    assert outcome.err.endswith("error: config file missing.yaml: No such file or directory\n")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StorageError("x"), 5),
        (ExportVerificationError("x"), 6),
        (TooManyFailuresError("x"), 4),
        (OSError(28, "No space left on device"), 1),
        (ZeroDivisionError("x"), 1),
    ],
)
def test_an_error_has_its_exit_code(capsys, error, code):
    assert errors.report(error) == code
    assert capsys.readouterr().err.startswith("error: ")


def test_an_unexpected_error_says_its_kind_and_how_to_see_more(capsys):
    errors.report(ZeroDivisionError("division by zero"))
    message = (
        "error: unexpected ZeroDivisionError: division by zero; run it again with --debug to see where\n"
    )
    assert capsys.readouterr().err == message


def test_version_is_shown(command):
    outcome = command("--version")
    assert (outcome.code, outcome.out.split()[0]) == (0, "nas")


def test_the_console_script_exits_with_the_code(tmp_path):
    done = subprocess.run(
        [*NAS, "config", "check", "missing.yaml"],
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, b"")


def test_a_closed_pipe_ends_quietly(tmp_path):
    command = f"{sys.executable} -c 'from nas.cli import main; main()' config schema | head -1"
    done = subprocess.run(
        command, shell=True, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, check=False
    )
    assert (done.stdout, done.stderr) == (b"{\n", b"")


def _heed_interrupts() -> None:
    """A job started in the background ignores SIGINT, and hands that on to its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "message"),
    [(signal.SIGTERM, 0, "paused by SIGTERM"), (signal.SIGINT, 130, "interrupted")],
)
def test_an_interrupted_search_leaves_the_study_paused_and_says_how_to_go_on(
    bert, tmp_path, number, code, message
):
    folder = tmp_path / "job"
    shutil.copytree(bert, folder)
    search = subprocess.Popen(
        [*SEARCH, "--set", "search.trials=100000", "--set", "search.sampler=random"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        preexec_fn=_heed_interrupts,  # noqa: PLW1509  # the signal is set before any thread starts
    )
    try:
        _await_results(folder / "nas.db", search)
        search.send_signal(number)
        _, messages = search.communicate(timeout=60)
    finally:
        search.kill()
    assert search.returncode == code
    assert "Traceback" not in messages
    hint = "Resume with: nas search run job.yaml --set search.trials=100000 --set search.sampler=random"
    assert f"{message}; everything is saved. {hint}" in messages
    assert _query(folder / "nas.db", "SELECT state FROM nas_study") == [("PAUSED",)]


def _await_results(database: Path, search: subprocess.Popen[str]) -> None:
    give_up = time.monotonic() + 120
    while time.monotonic() < give_up:
        assert search.poll() is None, search.communicate()
        if database.exists() and _query(database, "SELECT 1 FROM nas_trial WHERE state = 'DONE'"):
            return
        time.sleep(0.2)
    raise AssertionError("no trial was finished within two minutes")


def _query(database: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(database, timeout=30)
    try:
        return connection.execute(query).fetchall()
    except sqlite3.OperationalError:  # the tables are not made yet
        return []
    finally:
        connection.close()
