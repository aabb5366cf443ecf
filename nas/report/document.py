"""What a report holds: sections of paragraphs, facts, tables, charts and pictures, all of them plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from nas.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    """A few sentences; a note is set apart."""

    text: str
    is_note: bool = False


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Names and values, a line each."""

    values: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A cell with a bar behind its text.

    Attributes:
        share: length of the bar, 0 to 1.
    """

    share: float
    text: str


Cell: TypeAlias = "str | Bar"


@dataclass(frozen=True, kw_only=True)
class Heading:
    """Heading of a column; numbers stand on the right."""

    title: str
    is_number: bool = True


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows below headings; the first cell of a row names it.

    Raises:
        ConfigError: a row with another number of cells than there are headings.
    """

    caption: str
    headings: tuple[Heading, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.headings):
                raise ConfigError(
                    f"table {self.caption!r}: a row has {len(row)} cells; give {len(self.headings)}"
                )


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A Vega-Lite chart.

    Attributes:
        spec: its specification as JSON types.
        caption: below it.
        description: what a screen reader says.
    """

    spec: Mapping[str, Any]
    caption: str
    description: str


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An SVG document.

    Attributes:
        description: what a screen reader says.
    """

    svg: str
    caption: str
    description: str


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Pictures side by side."""

    pictures: tuple[Picture, ...]


@dataclass(frozen=True, kw_only=True)
class Code:
    """Lines to be copied; folded away where they are many."""

    title: str
    text: str
    is_folded: bool = False


Block: TypeAlias = "Paragraph | Facts | Table | Chart | Picture | Gallery | Code"


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a report.

    Attributes:
        anchor: its address within the page: letters and hyphens, unique in the document.
    """

    title: str
    anchor: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, kw_only=True)
class Document:
    """A whole report.

    Attributes:
        lead: a sentence or two below the title.
    """

    title: str
    lead: str = ""
    sections: tuple[Section, ...] = field(default=())
