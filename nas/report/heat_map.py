"""Kept units of several sub-networks as a heat map: a row a sub-network, a column a layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from nas.errors import ConfigError

# From the least to the most: white to the blue of Okabe and Ito 2008, which the other pictures use too.
_FULL = (0, 114, 178)
_INK, _MUTED, _EDGE = "#1A1A1A", "#595959", "#C4C4C4"
_CELL_WIDTH, _CELL_HEIGHT = 26.0, 20.0
_TOP, _BOTTOM, _GAP, _LETTER = 44.0, 46.0, 34.0, 7.5


@dataclass(frozen=True, kw_only=True)
class HeatPanel:
    """One kind of units.

    Attributes:
        title: above the panel.
        columns: heading of each column; may be empty.
        shares: of each row, the kept share of each column, 0 to 1.

    Raises:
        ConfigError: a share outside 0 to 1, or a row of another length than `columns`.
    """

    title: str
    columns: tuple[str, ...]
    shares: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        for row in self.shares:
            if len(row) != len(self.columns):
                raise ConfigError(
                    f"heat map {self.title!r}: a row has {len(row)} shares; give {len(self.columns)}"
                )
            for share in row:
                if not 0 <= share <= 1:
                    raise ConfigError(f"heat map {self.title!r}: got the share {share}; allowed are 0 to 1")


def heat_map_svg(panels: Sequence[HeatPanel], rows: Sequence[str], *, title: str) -> str:
    """Draw panels side by side; a part that is wholly removed is crossed out.

    Args:
        panels: at least one, each with a row for each name in `rows`.
        rows: names of the sub-networks, from top to bottom.
        title: read out by screen readers.

    Raises:
        ConfigError: no panel or row, or panels of another height.
    """
    if not panels or not rows:
        raise ConfigError(
            f"heat map: got {len(panels)} panels and {len(rows)} rows; give at least one of each"
        )
    for panel in panels:
        if len(panel.shares) != len(rows):
            raise ConfigError(f"heat map {panel.title!r}: got {len(panel.shares)} rows; give {len(rows)}")
    return "\n".join(_lines(panels, rows, title)) + "\n"


def _lines(panels: Sequence[HeatPanel], rows: Sequence[str], title: str) -> Iterator[str]:
    left = 12 + _LETTER * max(map(len, rows))
    starts = []
    right = left
    for panel in panels:
        starts.append(right)
        right += max(_CELL_WIDTH * len(panel.columns), _LETTER * 1.1 * len(panel.title)) + _GAP
    width, height = max(right, left + 470), _TOP + _CELL_HEIGHT * len(rows) + _BOTTOM
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" role="img" '
        'font-family="system-ui, Segoe UI, Helvetica, Arial, sans-serif">'
    )
    yield f"<title>{escape(title)}</title>"
    yield f'<rect width="{width:g}" height="{height:g}" fill="#FFFFFF"/>'
    for index, name in enumerate(rows):
        yield _text(left - 8, _TOP + _CELL_HEIGHT * (index + 0.7), name, anchor="end")
    for start, panel in zip(starts, panels, strict=True):
        yield from _panel(panel, start)
    yield from _legend(left, _TOP + _CELL_HEIGHT * len(rows) + 20)
    yield "</svg>"


def _panel(panel: HeatPanel, left: float) -> Iterator[str]:
    yield _text(left, 18, panel.title, size=13, weight=600)
    for column, name in enumerate(panel.columns):
        if name:
            center = left + _CELL_WIDTH * (column + 0.5)
            yield _text(center, _TOP - 8, name, size=11, anchor="middle", fill=_MUTED)
    for row, shares in enumerate(panel.shares):
        for column, share in enumerate(shares):
            yield from _cell(left + _CELL_WIDTH * column, _TOP + _CELL_HEIGHT * row, share)


def _cell(left: float, top: float, share: float) -> Iterator[str]:
    size = f'width="{_CELL_WIDTH - 2:g}" height="{_CELL_HEIGHT - 2:g}"'
    edge = "" if share else f' stroke="{_EDGE}" stroke-width="0.8"'
    yield f'<rect x="{left:g}" y="{top:g}" {size} fill="{_color(share)}"{edge}/>'
    if not share:
        x, y = left + _CELL_WIDTH / 2 - 1, top + _CELL_HEIGHT / 2 - 1
        yield f'<path d="M{x - 4:g} {y - 4:g}l8 8m0 -8l-8 8" stroke="{_EDGE}" stroke-width="1.4"/>'


def _legend(left: float, top: float) -> Iterator[str]:
    x = left
    for share, label in (
        (0.0, "removed"),
        (0.25, "25 %"),
        (0.5, "50 %"),
        (0.75, "75 %"),
        (1.0, "100 % kept"),
    ):
        yield from _cell(x, top - 13, share)
        yield _text(x + _CELL_WIDTH + 4, top, label, size=11, fill=_MUTED)
        x += _CELL_WIDTH + 18 + _LETTER * len(label)


def _color(share: float) -> str:
    if not share:
        return "#FFFFFF"
    # Even the least that is kept is told from white paper.
    weight = 0.12 + 0.88 * share
    return "#" + "".join(f"{round(255 + (end - 255) * weight):02X}" for end in _FULL)


def _text(
    x: float,
    y: float,
    text: str,
    *,
    size: int = 12,
    anchor: str = "start",
    weight: int = 400,
    fill: str = _INK,
) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" '
        f'fill="{fill}">{escape(text)}</text>'
    )
