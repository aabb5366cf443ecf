"""Data on standard output, messages on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from nas.cli import logs

if TYPE_CHECKING:
    from rich.table import Table

#: Where there is no terminal, tables take the width that they need.
_PIPE_WIDTH: Final = 10_000
Align: TypeAlias = Literal["left", "right"]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table; numbers stand on the right."""

    title: str
    align: Align = "right"


def note(text: str, *, label: str = "") -> None:
    """A message on standard error; `label` (error, warning) stands before it, coloured on a terminal."""
    prefix = f"{label}: " if label else ""
    if not sys.stderr.isatty():
        sys.stderr.write(f"{prefix}{text}\n")
        return
    from rich.console import Console
    from rich.text import Text

    shown = Text(prefix, style="bold red" if label == "error" else "bold yellow").append(
        text, style="not bold default"
    )
    Console(stderr=True, highlight=False, emoji=False).print(shown)


def note_commands(commands: Sequence[str]) -> None:
    """Commands that may follow, on standard error, each on a line that can be copied."""
    sys.stderr.write("\nnext:\n" + "".join(f"  {command}\n" for command in commands))


@dataclass(frozen=True, kw_only=True)
class Output:
    """How a command answers: tables and text, JSON, or identifiers only."""

    as_json: bool = False
    quiet: bool = False

    def __post_init__(self) -> None:
        if self.quiet:
            logs.quieten()

    @property
    def is_text(self) -> bool:
        """Whether people are meant to read it."""
        return not (self.as_json or self.quiet)

    def json(self, value: Any) -> None:
        """Print a value as JSON."""
        sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=str) + "\n")

    def ids(self, identifiers: Sequence[object]) -> None:
        """Print identifiers, a line each."""
        for identifier in identifiers:
            sys.stdout.write(f"{identifier}\n")

    def text(self, text: str = "", *, style: str = "") -> None:
        """Print a paragraph, not wrapped where it is piped."""
        _print(text, style=style)

    def table(
        self, columns: Sequence[Column], rows: Sequence[Sequence[str]], *, grey: Collection[int] = ()
    ) -> None:
        """Print rows below a header, those whose index is in `grey` in a fainter colour."""
        _print(_table(columns, rows, grey))

    def pairs(self, values: Mapping[str, str]) -> None:
        """Print names and values, a line each."""
        from rich.table import Table

        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in values.items():
            table.add_row(name, value)
        _print(table)


def _table(columns: Sequence[Column], rows: Sequence[Sequence[str]], grey: Collection[int]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        is_number = column.align == "right"
        table.add_column(column.title, justify=column.align, overflow="fold", no_wrap=is_number)
    for index, row in enumerate(rows):
        table.add_row(*row, style="dim" if index in grey else None)
    return table


def _print(content: str | Table, *, style: str = "") -> None:
    """Print in the terminal's width; elsewhere in the content's own, without blanks at line ends."""
    from rich.console import Console

    if sys.stdout.isatty():
        console = Console(highlight=False, markup=False, emoji=False)
        console.print(content, style=style or None, soft_wrap=isinstance(content, str))
        return
    console = Console(highlight=False, markup=False, emoji=False, width=_PIPE_WIDTH)
    with console.capture() as captured:
        console.print(content, soft_wrap=isinstance(content, str))
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines())
