"""Places text beside points so that it covers neither points nor other text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

Side: TypeAlias = tuple[int, int]
"""Where a text lies: -1, 0 or 1 for left, centred or right, and for above, level or below."""

GAP = 11.0
_TEXT_WEIGHT = 5.0
_SIDES: tuple[Side, ...] = ((1, 0), (0, -1), (0, 1), (-1, 0), (1, -1), (-1, -1), (1, 1), (-1, 1))


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """A rectangle in pixels, y downwards; `weight` says how bad it is to cover it."""

    left: float
    top: float
    right: float
    bottom: float
    weight: float = 1.0

    def overlap(self, other: Box) -> float:
        """Shared area."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(width, 0.0) * max(height, 0.0)

    def outside(self, frame: Box) -> float:
        """Area that lies outside a frame."""
        return (self.right - self.left) * (self.bottom - self.top) - self.overlap(frame)


def place_labels(
    anchors: Sequence[tuple[float, float]],
    texts: Sequence[str],
    obstacles: Sequence[Box],
    *,
    frame: Box,
    font_size: float,
) -> list[Side]:
    """The side of its anchor on which each text covers least; earlier texts are obstacles to later ones."""
    taken = list(obstacles)
    sides: list[Side] = []
    for anchor, text in zip(anchors, texts, strict=True):
        boxes = [text_box(anchor, text, side, font_size=font_size) for side in _SIDES]
        costs = [_cost(box, taken, frame) for box in boxes]
        best = costs.index(min(costs))
        taken.append(boxes[best])
        sides.append(_SIDES[best])
    return sides


def text_box(anchor: tuple[float, float], text: str, side: Side, *, font_size: float) -> Box:
    """What a text beside its anchor covers, at the mean letter width of a bold sans-serif font."""
    (x, y), (across, down) = anchor, side
    width, height = 0.52 * font_size * len(text), 1.2 * font_size
    gap = GAP if 0 in side else 0.7 * GAP
    x, y = x + across * (gap + width / 2), y + down * (gap + height / 2)
    return Box(
        left=x - width / 2,
        top=y - height / 2,
        right=x + width / 2,
        bottom=y + height / 2,
        weight=_TEXT_WEIGHT,
    )


def _cost(box: Box, taken: Sequence[Box], frame: Box) -> float:
    return 10 * box.outside(frame) + sum(other.weight * box.overlap(other) for other in taken)
