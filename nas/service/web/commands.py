"""Commands and Python lines that do what a page does."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Commands:
    """The same step in a shell and in Python."""

    shell: str
    python: str


def selection_commands(study: str, where: Sequence[str], server: str) -> Commands:
    """Selecting the best within budgets.

    Args:
        study: its name.
        where: budgets beside the study's own.
        server: address of the service.
    """
    options = [part for text in where for part in ("--where", text)]
    return Commands(
        shell=_line(["nas", "select", "--server", server, *options], study),
        python="\n".join([*_opening(study, server), f"trial = study.best({list(where)!r})"]),
    )


def export_commands(study: str, number: int, server: str) -> Commands:
    """Exporting a trial."""
    return Commands(
        shell=_line(["nas", "export", "--server", server, "-o", "exported"], f"{study}@{number}"),
        python="\n".join([*_opening(study, server), f"study.export({number}, 'exported')"]),
    )


def _opening(study: str, server: str) -> list[str]:
    """Lines that lead to the study; the token stays in the environment."""
    return [
        "import nas",
        "",
        f"client = nas.Client({server!r})  # with the token of NAS_TOKEN",
        f"study = client.study({study!r})",
    ]


def _line(words: Sequence[str], name: str) -> str:
    guard = ["--"] if name.startswith("-") else []
    return shlex.join([*words, *guard, name])
