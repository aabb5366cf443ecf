"""Finished cells: a line of JSON each, so that a run that is cut short goes on where it stopped."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import nas

_ROOT: Final = Path(__file__).resolve().parents[2]

Record = Mapping[str, Any]
#: What computes each cell of a part, by the cell's name.
Cells = Mapping[str, Callable[[], Record]]


class Journal:
    """The finished cells of a folder.

    Raises:
        ConfigError: the folder was made with another effort.
    """

    def __init__(self, folder: Path, effort: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file, self._effort = folder / "cells.jsonl", effort
        self._records: dict[str, Record] = {}
        if self._file.exists():
            for line in self._file.read_text(encoding="utf-8").splitlines():
                record = json.loads(line)
                self._records[record["cell"]] = record
        other = next((r["effort"] for r in self._records.values() if r["effort"] != effort), None)
        if other is not None:
            raise nas.ConfigError(
                f"{folder} has cells of effort {other!r}, not {effort!r}; give another --folder"
            )

    def missing(self, cells: Cells) -> list[str]:
        """Names of cells that are not finished."""
        return [name for name in cells if name not in self._records]

    def compute(self, name: str, cells: Cells) -> None:
        """Compute a cell and note it, with the commit it was computed at."""
        start, commit = time.monotonic(), commit_now()
        found = cells[name]()
        record = {
            "cell": name,
            "effort": self._effort,
            "commit": commit,
            "seconds": round(time.monotonic() - start, 1),
            **found,
        }
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        self._records[name] = record

    def of(self, cells: Cells) -> list[Record]:
        """The finished ones of some cells."""
        return [self._records[name] for name in cells if name in self._records]

    @property
    def commits(self) -> list[str]:
        """That the cells were computed at, each once."""
        return list(dict.fromkeys(str(record["commit"]) for record in self._records.values()))


def commit_now() -> str:
    """The commit of this tree, with a plus where files differ from it; `unknown` outside of git."""
    command = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "unknown"
    return done.stdout.strip() or "unknown"
