from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.errors import ConfigError
from nas.report import skyline_svg

_SVG = "{http://www.w3.org/2000/svg}"
_LAYERS = [(12, 12, 3072, 3072), (6, 12, 768, 3072), (0, 12, 1536, 3072), (0, 12, 0, 3072)]
_HEADS, _FFN = "#0072B2", "#E69F00"


def layers_of(svg: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(svg).iter(f"{_SVG}g"))


def bar(layer: ElementTree.Element, fill: str) -> tuple[float, float] | None:
    """Top and height of the bar of a colour."""
    for rect in layer.iter(f"{_SVG}rect"):
        if rect.get("fill") == fill:
            return float(rect.get("y")), float(rect.get("height"))
    return None


@pytest.fixture(scope="module")
def layers():
    return layers_of(skyline_svg(_LAYERS, 576, 768))


def test_bars_are_as_high_as_the_share_that_is_kept(layers):
    full, half = bar(layers[0], _HEADS)[1], bar(layers[1], _HEADS)[1]
    assert half == pytest.approx(full / 2)
    assert bar(layers[1], _FFN)[1] == pytest.approx(bar(layers[0], _FFN)[1] / 4)


def test_heads_stand_above_the_stream_and_ffn_hangs_below(layers):
    feet = {sum(bar(layer, _HEADS)) for layer in layers[:2]}
    tops = {bar(layer, _FFN)[0] for layer in layers[:3]}
    assert len(feet) == len(tops) == 1
    assert feet.pop() < tops.pop()


def test_a_removed_part_has_no_bar(layers):
    assert bar(layers[2], _HEADS) is None
    assert bar(layers[2], _FFN) is not None


def test_only_a_removed_layer_is_crossed_out(layers):
    assert [len(layer.findall(f"{_SVG}path")) for layer in layers] == [0, 0, 0, 2]


def test_every_layer_tells_its_sizes(layers):
    assert [layer.find(f"{_SVG}title").text for layer in layers] == [
        "Layer 1: 12 of 12 heads, FFN 3072 of 3072",
        "Layer 2: 6 of 12 heads, FFN 768 of 3072",
        "Layer 3: 0 of 12 heads, FFN 1536 of 3072",
        "Layer 4: removed",
    ]


def test_screen_readers_get_a_title_and_a_summary():
    root = ElementTree.fromstring(skyline_svg(_LAYERS, 576, 768, title="Trial 7"))
    ids = root.get("aria-labelledby").split()
    read_out = [element.text for element in root if element.get("id") in ids]
    assert root.get("role") == "img"
    assert read_out == [
        "Trial 7",
        "3 of 4 layers, 18 of 48 heads, 5,376 of 12,288 FFN neurons, embedding dimension 576 of 768.",
    ]


@given(st.text(max_size=30))
def test_any_title_gives_a_document_that_parses(title):
    root = ElementTree.fromstring(skyline_svg(_LAYERS, 576, 768, title=title))
    shown = "".join(letter if letter.isprintable() else " " for letter in title)
    assert (root.find(f"{_SVG}title").text or "") == shown


@given(st.integers(1, 100))
def test_nothing_is_drawn_outside_the_picture(depth):
    root = ElementTree.fromstring(skyline_svg([(1, 2, 3, 4)] * depth, 8, 8))
    width, height = float(root.get("width")), float(root.get("height"))
    for rect in root.iter(f"{_SVG}rect"):
        assert float(rect.get("x", 0)) + float(rect.get("width")) <= width
        assert float(rect.get("y", 0)) + float(rect.get("height")) <= height


@pytest.mark.parametrize(
    ("layers", "hidden", "part"),
    [
        ([], (8, 8), "got no layer"),
        ([(3, 2, 1, 4)], (8, 8), "layer 0 heads is 3 of 2"),
        ([(1, 2, -1, 4)], (8, 8), "layer 0 FFN width is -1 of 4"),
        ([(1, 2, 1, 4)], (9, 8), "hidden_size is 9 of 8"),
        ([(0, 0, 1, 4)], (8, 8), "heads is 0 of 0"),
    ],
)
def test_sizes_that_cannot_be_are_refused(layers, hidden, part):
    with pytest.raises(ConfigError, match=part):
        skyline_svg(layers, *hidden)
