"""A user's own module must not hide a package of ours in silence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


def _import_nas(folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{REPOSITORY}"}
    command = [sys.executable, "-c", "import nas; print(nas.__version__)"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["storage", "workers", "search_spaces"])
def test_a_module_that_hides_ours_is_named_with_what_to_do(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.py").write_text("secret = 1\n")
    done = _import_nas(tmp_path)
    assert done.returncode != 0
    assert f"'{name}' of subnas is hidden" in done.stderr
    assert str(tmp_path / f"{name}.py") in done.stderr
    assert "rename" in done.stderr


def test_other_modules_beside_a_script_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "models.py").write_text("")
    done = _import_nas(tmp_path)
    assert done.returncode == 0, done.stderr
