"""What is loaded when nothing heavy is needed; each test in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nas

HEAVY = ("torch", "transformers", "ray", "sqlalchemy", "optuna")
REPORT = f"import json, sys; print(json.dumps([name for name in {HEAVY} if name in sys.modules]))"
HELP_OF_ALL = """
import contextlib, io, json
from nas.cli.app import app
from nas.cli.errors import run

def paths(typer_app, before=()):
    yield before
    for command in typer_app.registered_commands:
        yield (*before, command.name)
    for group in typer_app.registered_groups:
        yield from paths(group.typer_instance, (*before, group.typer_instance.info.name))

shown = []
for path in paths(app):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        code = run([*path, "--help"])
    assert code == 0 and "Usage: " + " ".join(("nas", *path)) in out.getvalue(), path
    shown.append(" ".join(path))
print(json.dumps(shown))
"""


def lines_of(code: str) -> list[list[str]]:
    environment = os.environ | {"PYTHONPATH": str(Path(nas.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_importing_nas_loads_nothing_heavy():
    assert lines_of(f"import nas; {REPORT}") == [[]]


def test_the_help_of_every_command_loads_nothing_heavy():
    shown, loaded = lines_of(f"{HELP_OF_ALL}\n{REPORT}")
    assert {"", "quickstart", "search run", "trials ls", "db upgrade", "verify"} <= set(shown)
    assert loaded == []


def test_checking_a_config_loads_nothing_heavy():
    code = f"""
import contextlib, io, tempfile, os
from nas.cli.errors import run
os.chdir(tempfile.mkdtemp())
with contextlib.redirect_stdout(io.StringIO()):
    assert run(["init"]) == 0 and run(["config", "check", "nas.yaml"]) == 0
{REPORT}
"""
    assert lines_of(code) == [[]]


def test_help_does_not_load_rich_before_it_prints():
    assert lines_of(
        "import json, sys, nas.cli.app; print(json.dumps([m for m in ('rich',) if m in sys.modules]))"
    ) == [[]]
