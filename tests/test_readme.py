"""What the README shows is run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import nas
from nas.cli.app import app
from nas.jobs.bundled import HUB_ID, bundled_model

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(600)
def test_the_python_session_ends_with_an_exported_model(tmp_path: Path) -> None:
    (session,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert HUB_ID in session
    program = session.replace(HUB_ID, bundled_model())  # the same weights, without a network
    script = tmp_path / "session.py"
    script.write_text(program)
    paths = f"import sys; sys.path.insert(0, {str(Path(nas.__file__).parents[1])!r}); "
    command = [sys.executable, "-c", f"{paths}exec(compile(open('session.py').read(), 'session.py', 'exec'))"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert re.search(r"0\.\d{3} +\d+\.\d\d ms  \d layers?, ", done.stdout), done.stdout
    assert nas.verify_folder(tmp_path / "small-model").trial is not None


def test_every_command_of_the_readme_exists() -> None:
    shown = [line for line in README.splitlines() if re.match(r"(\$ )?nas [a-z]+ ", line)]
    commands = [line.removeprefix("$ ") for line in shown]
    assert len(commands) >= 6
    for command in commands:
        words = command.split("#")[0].split()[1:]
        depth = 2 if words[0] in ("config", "space", "search", "trials", "db") else 1
        result = CliRunner().invoke(app, [*words[:depth], "--help"])
        assert result.exit_code == 0, command
