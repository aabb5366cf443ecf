"""Pages of docs/ as their readers use them: fenced blocks, run in order in one folder."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from nas.jobs.bundled import HUB_ID, bundled_model

ROOT = Path(__file__).resolve().parents[2]
RUN_LANGUAGES = ("console", "bash", "python")
_FENCE = re.compile(
    r"(?:<!-- (?P<mark>[^\n]*?) -->\n)?^```(?P<language>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_NAS = f"""#!{sys.executable}
from nas.cli import main
main()
"""


@dataclass(frozen=True, kw_only=True)
class FencedBlock:
    """A fenced block; `mark` is the comment on the line before it."""

    page: str
    line: int
    language: str
    text: str
    mark: str

    @property
    def reason_not_run(self) -> str | None:
        return self.mark.removeprefix("not run: ") if self.mark.startswith("not run: ") else None

    @property
    def file(self) -> str | None:
        return self.mark.removeprefix("file: ") if self.mark.startswith("file: ") else None

    @property
    def shell(self) -> str:
        """Commands of a console block without its output, or a whole bash block."""
        if self.language == "bash":
            return self.text
        return "\n".join(line[2:] for line in self.text.splitlines() if line.startswith("$ "))


def blocks_of(page: Path) -> list[FencedBlock]:
    text = page.read_text(encoding="utf-8")
    return [
        FencedBlock(
            page=page.name,
            line=text.count("\n", 0, found.start()) + 1,
            language=found["language"],
            text=found["text"],
            mark=found["mark"] or "",
        )
        for found in _FENCE.finditer(text)
    ]


@pytest.fixture(scope="session")
def pages() -> dict[str, list[FencedBlock]]:
    """Fenced blocks of all pages by the page's name."""
    return {path.name: blocks_of(path) for path in sorted((ROOT / "docs").glob("*.md"))}


@pytest.fixture(scope="session")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Callable[[list[FencedBlock]], Path]:
    """Runs the blocks of a page in one folder that all pages share; returns the folder."""
    folder, programs = tmp_path_factory.mktemp("reader"), tmp_path_factory.mktemp("programs")
    environment = _environment(programs)

    def run(blocks: list[FencedBlock]) -> Path:
        for block in blocks:
            if block.file is not None:
                (folder / block.file).write_text(_offline(block.text), encoding="utf-8")
            elif block.language in RUN_LANGUAGES and block.reason_not_run is None:
                _run(block, folder, environment)
        return folder

    return run


def _environment(programs: Path) -> dict[str, str]:
    """A machine without a network where `nas` and `python` are those of this process."""
    (programs / "nas").write_text(_NAS)
    (programs / "nas").chmod(stat.S_IRWXU)
    (programs / "python").symlink_to(sys.executable)
    own = {name: value for name, value in os.environ.items() if not name.startswith("NAS_")}
    return own | {
        "PATH": os.pathsep.join([str(programs), os.environ["PATH"]]),
        "PYTHONPATH": str(ROOT),
        "HF_HUB_OFFLINE": "1",
        "OMP_WAIT_POLICY": "passive",
    }


def _offline(text: str) -> str:
    """The model that pages name by its id on the hub lies in an installed package."""
    return text.replace(HUB_ID, bundled_model())


def _run(block: FencedBlock, folder: Path, environment: dict[str, str]) -> None:
    command = (
        [sys.executable, "-c", _offline(block.text)]
        if block.language == "python"
        else ["bash", "-euo", "pipefail", "-c", _offline(block.shell)]
    )
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=540,
    )
    assert done.returncode == 0, (
        f"docs/{block.page}, line {block.line}:\n{block.text}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    )
