"""Pages of docs/ as their readers use them: fenced blocks, run in order in one folder."""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

from nas.jobs.bundled import HUB_ID, bundled_model

ROOT = Path(__file__).resolve().parents[2]
RUN_LANGUAGES = ("console", "bash", "python")
_FENCE = re.compile(
    r"(?:<!-- (?P<mark>[^\n]*?) -->\n)?^```(?P<language>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_SHELL_SIGNS = frozenset(("|", "||", "&", "&&", ";", "<", ">", ">>", "(", ")"))
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
    def is_run(self) -> bool:
        """Whether a walk through the page runs it; one marked `test: NAME` has a test of its own."""
        return self.language in RUN_LANGUAGES and not self.mark.startswith(("not run: ", "test: "))

    @property
    def file(self) -> str | None:
        return self.mark.removeprefix("file: ") if self.mark.startswith("file: ") else None

    @property
    def shell(self) -> str:
        """Commands of a console block without its output, or a whole bash block."""
        if self.language == "bash":
            return self.text
        return "\n".join(line[2:] for line in self.text.splitlines() if line.startswith("$ "))

    @property
    def plain_commands(self) -> list[list[str]] | None:
        """The words of each command where all are `nas` or `cd` and need nothing of a shell."""
        if "$" in self.shell:
            return None
        commands = [_words(line) for line in self.shell.replace("\\\n", " ").splitlines()]
        commands = [words for words in commands if words]
        is_plain = all(
            words[0] in ("nas", "cd") and not _SHELL_SIGNS.intersection(words) for words in commands
        )
        return commands if is_plain else None


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


class Reader:
    """Somebody who runs the blocks of pages, one after the other, in one folder."""

    def __init__(
        self, folder: Path, output: Path, environment: dict[str, str], warm: subprocess.Popen[str]
    ) -> None:
        self.folder = folder
        self._output = output
        self._environment = environment
        self._warm = warm

    def walk(self, blocks: list[FencedBlock]) -> Path:
        """The folder, with what the blocks have left in it."""
        for block in blocks:
            if block.file is not None:
                (self.folder / block.file).write_text(_offline(block.text), encoding="utf-8")
            elif block.is_run:
                status, output = self._run(block)
                assert status == 0, f"docs/{block.page}, line {block.line}:\n{block.text}\n{output[-6000:]}"
        return self.folder

    def _run(self, block: FencedBlock) -> tuple[int, str]:
        if block.language == "python":
            return self._ask({"code": _offline(block.text), "folder": str(self.folder)})
        commands = block.plain_commands
        return self._shell(block) if commands is None else self._nas(commands)

    def _nas(self, commands: list[list[str]]) -> tuple[int, str]:
        folder, shown = self.folder, ""
        for program, *arguments in commands:
            if program == "cd":
                folder /= arguments[0]
                continue
            own = [_offline(argument) for argument in arguments]
            status, output = self._ask({"arguments": own, "folder": str(folder)})
            shown += output
            if status != 0:
                return status, shown
        return 0, shown

    def _ask(self, request: dict[str, Any]) -> tuple[int, str]:
        requests, answers = _pipes(self._warm)
        print(json.dumps({**request, "output": str(self._output)}), file=requests, flush=True)
        answer = answers.readline()
        assert answer, f"tests/docs/warm_python.py ended with exit code {self._warm.wait()}"
        return int(answer), self._output.read_text(encoding="utf-8")

    def _shell(self, block: FencedBlock) -> tuple[int, str]:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", _offline(block.shell)],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=540,
        )
        return done.returncode, done.stdout


@pytest.fixture(scope="session")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[list[FencedBlock]], Path]]:
    """Runs the blocks of a page in one folder that all pages share; returns the folder."""
    programs = tmp_path_factory.mktemp("programs")
    environment = _environment(programs)
    command = [sys.executable, str(Path(__file__).with_name("warm_python.py"))]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as warm:
        yield Reader(tmp_path_factory.mktemp("reader"), programs / "output.txt", environment, warm).walk


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


def _words(line: str) -> list[str]:
    """Signs of the shell outside quotes are words of their own."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    return list(lexer)


def _pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout
