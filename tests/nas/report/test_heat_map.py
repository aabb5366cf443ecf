from __future__ import annotations

from xml.etree import ElementTree

import pytest

from nas.errors import ConfigError
from nas.report.heat_map import HeatPanel, heat_map_svg

SVG = "{http://www.w3.org/2000/svg}"
LEGEND = 5


def panel(*shares, title="Heads"):
    return HeatPanel(title=title, columns=tuple("12"[: len(shares[0])]), shares=shares)


def drawn(svg):
    root = ElementTree.fromstring(svg)
    return [cell.get("fill") for cell in root.iter(f"{SVG}rect")][1:-LEGEND], root


def test_a_cell_is_darker_the_more_is_kept():
    cells, _ = drawn(heat_map_svg([panel((0.25, 0.5), (0.75, 1.0))], ["a", "b"], title="t"))
    red = [int(color[1:3], 16) for color in cells]
    assert red == sorted(red, reverse=True)
    assert cells[-1] == "#0072B2"


def test_what_is_removed_is_crossed_out():
    _, root = drawn(heat_map_svg([panel((0.0, 0.5))], ["a"], title="t"))
    assert len(list(root.iter(f"{SVG}path"))) == 1 + 1  # and one in the legend


def test_panels_stand_side_by_side():
    _, root = drawn(heat_map_svg([panel((1.0,)), panel((1.0,), title="FFN")], ["a"], title="t"))
    lefts = {text.text: float(text.get("x")) for text in root.iter(f"{SVG}text")}
    assert lefts["FFN"] > lefts["Heads"]


def test_names_are_escaped():
    svg = heat_map_svg([panel((1.0,), title="<a>")], ["<b>"], title="<c>")
    texts = {text.text for text in ElementTree.fromstring(svg).iter()}
    assert {"<a>", "<b>", "<c>"} <= texts


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_outside_0_to_1_is_refused(share):
    with pytest.raises(ConfigError, match="allowed are 0 to 1"):
        panel((share,))


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ConfigError, match="a row has 1 shares; give 2"):
        HeatPanel(title="t", columns=("1", "2"), shares=((1.0,),))


def test_a_panel_of_another_height_is_refused():
    with pytest.raises(ConfigError, match="got 1 rows; give 2"):
        heat_map_svg([panel((1.0,))], ["a", "b"], title="t")


def test_nothing_to_draw_is_refused():
    with pytest.raises(ConfigError, match="at least one of each"):
        heat_map_svg([], [], title="t")
