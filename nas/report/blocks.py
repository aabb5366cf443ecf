"""Blocks of a report as HTML."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from functools import singledispatchmethod
from typing import Any

from nas.report.document import (
    Bar,
    Block,
    Cell,
    Chart,
    Code,
    Facts,
    Gallery,
    Heading,
    Paragraph,
    Picture,
    Section,
    Table,
)
from nas.report.markup import Markup, element, text


class BlockWriter:
    """Writes blocks; counts the charts, so that each has an id of its own."""

    def __init__(self) -> None:
        self._num_charts = 0

    def section(self, section: Section) -> Markup:
        """A section under its heading."""
        heading = f"{section.anchor}-heading"
        blocks = [self.block(block) for block in section.blocks]
        parts = [element("h2", section.title, id=heading), *blocks]
        return element("section", parts, id=section.anchor, aria_labelledby=heading)

    @singledispatchmethod
    def block(self, block: Block) -> Markup:
        """One block."""
        raise TypeError(f"got {type(block).__name__}; a report has no such block")

    @block.register
    def _(self, block: Paragraph) -> Markup:
        return element("p", block.text, **({"class_": "note"} if block.is_note else {}))

    @block.register
    def _(self, block: Facts) -> Markup:
        pairs = ([element("dt", name), element("dd", value)] for name, value in block.values.items())
        return element("dl", [part for pair in pairs for part in pair])

    @block.register
    def _(self, block: Table) -> Markup:
        head = element("tr", [_heading(heading) for heading in block.headings])
        body = [element("tr", _cells(row, block.headings)) for row in block.rows]
        parts = [element("caption", block.caption), element("thead", head), element("tbody", body)]
        table = element("table", parts)
        # A wide table is scrolled by keyboard too.
        return element("div", table, class_="wide", tabindex="0", role="region", aria_label=block.caption)

    @block.register
    def _(self, block: Chart) -> Markup:
        self._num_charts += 1
        place = f"chart-{self._num_charts}"
        parts = [
            element("div", "", id=place, class_="chart", role="img", aria_label=block.description),
            data_block(f"{place}-spec", dict(block.spec)),
            element("figcaption", block.caption),
        ]
        return element("figure", parts)

    @block.register
    def _(self, block: Picture) -> Markup:
        encoded = base64.b64encode(block.svg.encode()).decode()
        picture = element("img", src=f"data:image/svg+xml;base64,{encoded}", alt=block.description)
        return element("figure", [picture, element("figcaption", block.caption)])

    @block.register
    def _(self, block: Gallery) -> Markup:
        return element("div", [self.block(picture) for picture in block.pictures], class_="gallery")

    @block.register
    def _(self, block: Code) -> Markup:
        code = element("pre", element("code", block.text), tabindex="0")
        if block.is_folded:
            return element("details", [element("summary", block.title), code])
        return Markup(element("p", block.title) + code)


def data_block(identifier: str, value: Any) -> Markup:
    """JSON in a script element that no browser runs; `</script>` and `<!--` can not occur in it."""
    written = json.dumps(value, allow_nan=False).replace("<", "\\u003c")
    return Markup(f'<script type="application/json" id="{text(identifier)}">{written}</script>')


def _heading(heading: Heading) -> Markup:
    return element("th", heading.title, scope="col", **({"class_": "number"} if heading.is_number else {}))


def _cells(row: tuple[Cell, ...], headings: tuple[Heading, ...]) -> Iterator[Markup]:
    for index, (cell, heading) in enumerate(zip(row, headings, strict=True)):
        name: Any = "td" if index else "th"
        attributes = {} if index else {"scope": "row"}
        if heading.is_number:
            attributes["class_"] = "number"
        yield element(name, _shown(cell), **attributes)


def _shown(cell: Cell) -> Markup:
    if not isinstance(cell, Bar):
        return text(cell)
    share = min(max(cell.share, 0.0), 1.0)
    # Beside the text, so that neither hides the other.
    bar = element("span", "", class_="bar", style=f"width:{6 * share:.2f}em", aria_hidden="true")
    return Markup(element("span", bar, class_="track") + text(f" {cell.text}"))
