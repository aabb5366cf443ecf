"""Command lines that can be copied."""

from __future__ import annotations

import shlex
from typing import Final

from nas.study.report.reading import Reading

_DEFAULT_STORAGE: Final = "sqlite:///nas.db"


def command_line(reading: Reading, command: str, *options: str, name: str) -> str:
    """`nas COMMAND OPTIONS -- NAME`, quoted for a shell, with the database but without its password.

    The two hyphens stand only where the name would be taken for an option.
    """
    storage = [] if reading.ledger.url == _DEFAULT_STORAGE else ["--storage", reading.ledger.url]
    guard = ["--"] if name.startswith("-") else []
    return shlex.join(["nas", *command.split(), *options, *storage, *guard, name])
