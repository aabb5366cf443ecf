"""The architecture of a sub-network as a skyline: heads up, FFN width down, the full model as a ghost."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from html import escape
from typing import TypeAlias

from nas.errors import ConfigError

LayerSizes: TypeAlias = tuple[int, int, int, int]
"""`heads_kept, heads_full, ffn_kept, ffn_full` of one layer."""

# Okabe and Ito 2008, "Color Universal Design": told apart in all common colour vision deficiencies.
_BLUE, _ORANGE = "#0072B2", "#E69F00"
_INK, _MUTED, _STREAM = "#1A1A1A", "#595959", "#7F7F7F"
_GHOST, _GHOST_EDGE = "#E8E8E8", "#A6A6A6"
_UNIT_HEIGHT = 78.0
_STREAM_HEIGHT = 20.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 100.0, 16.0, 34.0, 40.0
_MIN_WIDTH = 720.0


def skyline_svg(
    layers: Sequence[LayerSizes],
    hidden_kept: int,
    hidden_full: int,
    *,
    title: str = "Sub-network",
    num_encoder_layers: int = 0,
) -> str:
    """Draw kept sizes over the full model's.

    Bars above the residual stream are heads, bars below are FFN width, both as a share of the full
    layer; the stream's thickness is the embedding dimension. A removed layer is crossed out.

    Args:
        layers: sizes of each layer, in order.
        hidden_kept: embedding dimension of the sub-network.
        hidden_full: embedding dimension of the full model.
        title: heading, also read out by screen readers.
        num_encoder_layers: of an encoder-decoder, how many of the layers are the encoder's; they are
            numbered E1, E2, …, those behind them D1, D2, ….

    Raises:
        ConfigError: no layer, or a kept size outside 0 to the full size.
    """
    _check(layers, hidden_kept, hidden_full)
    picture = _Picture(layers, (hidden_kept, hidden_full), title, num_encoder_layers)
    return "\n".join(picture.lines()) + "\n"


def _check(layers: Sequence[LayerSizes], hidden_kept: int, hidden_full: int) -> None:
    if not layers:
        raise ConfigError("skyline: got no layer; give (heads kept, heads full, FFN kept, FFN full) for each")
    _check_size("hidden_size", hidden_kept, hidden_full)
    for index, (heads, heads_full, ffn, ffn_full) in enumerate(layers):
        _check_size(f"layer {index} heads", heads, heads_full)
        _check_size(f"layer {index} FFN width", ffn, ffn_full)


def _check_size(name: str, kept: int, full: int) -> None:
    if full < 1 or not 0 <= kept <= full:
        raise ConfigError(f"skyline: {name} is {kept} of {full}; allowed are 0 to the full size")


class _Picture:
    def __init__(
        self, layers: Sequence[LayerSizes], hidden: tuple[int, int], title: str, num_encoder_layers: int
    ) -> None:
        self._layers = layers
        self._hidden = hidden
        self._num_encoder_layers = num_encoder_layers
        self._title = escape(_printable(title), quote=True)
        self._pitch = min(44.0, max(14.0, 540.0 / len(layers)))
        self._bar = round(self._pitch * 0.72, 2)
        self._right = _LEFT + self._pitch * len(layers)
        self._width = max(_MIN_WIDTH, self._right + _RIGHT)
        self._middle = _TOP + _UNIT_HEIGHT + _STREAM_HEIGHT / 2
        self._height = _TOP + 2 * _UNIT_HEIGHT + _STREAM_HEIGHT + _BOTTOM

    def lines(self) -> Iterator[str]:
        """The document, element by element."""
        name = self._name()
        size = f'width="{_number(self._width)}" height="{_number(self._height)}"'
        box = f'viewBox="0 0 {_number(self._width)} {_number(self._height)}"'
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} {box} role="img" '
            f'aria-labelledby="{name}-title {name}-description" '
            'font-family="system-ui, Segoe UI, Helvetica, Arial, sans-serif">'
        )
        yield f'<title id="{name}-title">{self._title}</title>'
        yield f'<desc id="{name}-description">{self._description()}</desc>'
        yield f'<rect width="{_number(self._width)}" height="{_number(self._height)}" fill="#FFFFFF"/>'
        yield _text(_LEFT, 18, self._title, size=14, weight=600)
        yield from self._stream()
        for index, sizes in enumerate(self._layers):
            yield from self._layer(index, sizes)
        yield from self._captions()
        yield "</svg>"

    def _name(self) -> str:
        """Of the elements that screen readers are sent to: a page may hold several pictures."""
        content = repr((self._title, self._layers, self._hidden))
        return f"skyline-{hashlib.sha256(content.encode()).hexdigest()[:8]}"

    def _description(self) -> str:
        kept = [sizes for sizes in self._layers if sizes[0] or sizes[2]]
        heads, heads_full, ffn, ffn_full = (sum(column) for column in zip(*self._layers, strict=True))
        return (
            f"{len(kept)} of {len(self._layers)} layers, {heads:,} of {heads_full:,} heads, "
            f"{ffn:,} of {ffn_full:,} FFN neurons, embedding dimension "
            f"{self._hidden[0]} of {self._hidden[1]}."
        )

    def _stream(self) -> Iterator[str]:
        """The residual stream; its thickness is the embedding dimension."""
        thickness = _STREAM_HEIGHT * self._hidden[0] / self._hidden[1]
        span = self._right - _LEFT
        top = self._middle - _STREAM_HEIGHT / 2
        yield _rect(_LEFT, top, span, _STREAM_HEIGHT, _GHOST)
        yield _rect(_LEFT, self._middle - thickness / 2, span, thickness, _STREAM)

    def _layer(self, index: int, sizes: LayerSizes) -> Iterator[str]:
        heads, heads_full, ffn, ffn_full = sizes
        left = _LEFT + self._pitch * index + (self._pitch - self._bar) / 2
        above = self._middle - _STREAM_HEIGHT / 2
        below = self._middle + _STREAM_HEIGHT / 2
        up, down = _UNIT_HEIGHT * heads / heads_full, _UNIT_HEIGHT * ffn / ffn_full
        is_removed = not heads and not ffn
        state = "removed" if is_removed else f"{heads} of {heads_full} heads, FFN {ffn} of {ffn_full}"
        yield f"<g><title>Layer {self._label(index)}: {state}</title>"
        for top in (above - _UNIT_HEIGHT, below):
            yield _rect(left, top, self._bar, _UNIT_HEIGHT, _GHOST, dashed=is_removed)
            if is_removed:
                yield _cross(left, top, self._bar, _UNIT_HEIGHT)
        if heads:
            yield _rect(left, above - up, self._bar, up, _BLUE)
        if ffn:
            yield _rect(left, below, self._bar, down, _ORANGE)
        yield "</g>"

    def _captions(self) -> Iterator[str]:
        yield from self._row_caption(self._middle - _STREAM_HEIGHT / 2 - _UNIT_HEIGHT / 2, "Heads", 0)
        hidden = f"{self._hidden[0]} / {self._hidden[1]}"
        yield _text(_LEFT - 10, self._middle - 2, "Embedding", size=13, anchor="end", weight=600)
        yield _text(_LEFT - 10, self._middle + 14, hidden, size=12, anchor="end", fill=_MUTED)
        yield from self._row_caption(self._middle + _STREAM_HEIGHT / 2 + _UNIT_HEIGHT / 2, "FFN", 2)
        base = self._middle + _STREAM_HEIGHT / 2 + _UNIT_HEIGHT + 16
        every = 1 if self._pitch >= 20 else 2 if self._pitch > 14 else 4
        for index in range(0, len(self._layers), every):
            center = _LEFT + self._pitch * (index + 0.5)
            yield _text(center, base, self._label(index), size=11, anchor="middle", fill=_MUTED)
        yield _text(_LEFT - 10, base, "Layer", size=11, anchor="end", fill=_MUTED)
        yield _text(_LEFT, base + 18, self._description(), size=11, fill=_MUTED)

    def _label(self, index: int) -> str:
        """The number of a layer as people count it."""
        if not self._num_encoder_layers:
            return str(index + 1)
        behind = index - self._num_encoder_layers
        return f"E{index + 1}" if behind < 0 else f"D{behind + 1}"

    def _row_caption(self, middle: float, name: str, column: int) -> Iterator[str]:
        kept = sum(sizes[column] for sizes in self._layers)
        full = sum(sizes[column + 1] for sizes in self._layers)
        yield _text(_LEFT - 10, middle, name, size=13, anchor="end", weight=600)
        yield _text(_LEFT - 10, middle + 16, f"{100 * kept / full:.0f} %", size=12, anchor="end", fill=_MUTED)


def _rect(x: float, y: float, width: float, height: float, fill: str, *, dashed: bool = False) -> str:
    edge = f' stroke="{_GHOST_EDGE}" stroke-dasharray="3 2"' if dashed else ""
    return (
        f'<rect x="{_number(x)}" y="{_number(y)}" width="{_number(width)}" height="{_number(height)}" '
        f'fill="{"none" if dashed else fill}"{edge}/>'
    )


def _cross(x: float, y: float, width: float, height: float) -> str:
    center, middle, arm = x + width / 2, y + height / 2, min(width, height) * 0.22
    path = f"M{_number(center - arm)} {_number(middle - arm)}l{_number(2 * arm)} {_number(2 * arm)}"
    path += f"m0 {_number(-2 * arm)}l{_number(-2 * arm)} {_number(2 * arm)}"
    return f'<path d="{path}" stroke="{_GHOST_EDGE}" stroke-width="1.5" fill="none"/>'


def _text(
    x: float, y: float, text: str, *, size: int, anchor: str = "start", weight: int = 400, fill: str = _INK
) -> str:
    return (
        f'<text x="{_number(x)}" y="{_number(y)}" font-size="{size}" text-anchor="{anchor}" '
        f'font-weight="{weight}" fill="{fill}">{text}</text>'
    )


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _printable(text: str) -> str:
    """XML has no way to write control characters and lone surrogates."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
