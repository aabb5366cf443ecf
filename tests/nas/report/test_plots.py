from __future__ import annotations

import json
import re
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from nas.errors import ConfigError
from nas.objectives import Objective
from nas.report import PlotAxis, PlotPoint, front_chart, write_front

pytest.importorskip("altair")
pytest.importorskip("vl_convert")

_EVIL = "</script><script>alert(1)</script>"
_X = PlotAxis.of(Objective.parse("min latency_ms"), budget=8)
_Y = PlotAxis.of(Objective.parse("max accuracy"))
_POINTS = [
    PlotPoint(number=0, x=5.0, y=0.7, kind="front"),
    PlotPoint(number=1, x=6.5, y=0.8, kind="selected", label="best in budget"),
    PlotPoint(number=2, x=6.0, y=0.6, kind="dominated", tooltip={"kept layers": 8}),
    PlotPoint(number=3, x=9.0, y=0.85, kind="infeasible"),
    PlotPoint(x=12.0, y=0.9, kind="baseline", label="full model"),
]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    stem = tmp_path_factory.mktemp("report") / "rte.v1"
    return write_front(stem, _POINTS, x=_X, y=_Y, title="RTE <on> one core")


@pytest.fixture(scope="module")
def svg(files):
    return files[0].read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(files):
    return files[1].read_text(encoding="utf-8")


def texts(svg: str) -> list[str]:
    return [text.text for text in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def values_of(chart) -> list[dict]:
    """Data of the layer with the tooltip."""
    layers = chart.to_dict()["layer"]
    return next(layer for layer in layers if "tooltip" in layer["encoding"])["data"]["values"]


def spec_in(page: str) -> dict:
    return json.loads(re.search(r'vegaEmbed\("#front", (\{.*\}), \{renderer', page)[1])


def test_an_svg_and_a_page_are_written_beside_each_other(files):
    assert [path.name for path in files] == ["rte.v1.svg", "rte.v1.html"]


@pytest.mark.parametrize(
    "text",
    [
        "RTE <on> one core",
        "Latency (ms) · lower is better",
        "Accuracy · higher is better",
        "budget 8 ms",
        "full model",
        "best in budget",
        "Pareto front",
        "selected",
        "baseline",
        "dominated",
        "over budget",
    ],
)
def test_the_picture_names(svg, text):
    assert text in texts(svg)


def test_kinds_differ_in_shape_as_well_as_in_colour(svg):
    symbols = re.findall(r'<path[^>]*aria-roledescription="point"[^>]*>', svg)
    shapes = {
        kind: {re.search(r' d="([^"]*)"', s)[1] for s in symbols if f"kind: {kind}" in s}
        for kind in ("Pareto front", "baseline", "over budget", "dominated", "selected")
    }
    assert len(set.union(*shapes.values())) == 5


def test_the_picture_is_at_most_720_pixels_wide(svg):
    assert float(ElementTree.fromstring(svg).get("width")) <= 720


def test_the_page_loads_nothing(page):
    loaded: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attributes):
            loaded.extend(name for name, _ in attributes if name in ("src", "href"))

    Reader().feed(page)
    assert loaded == []


def test_the_page_holds_the_drawing_library(page):
    assert "window.vegaEmbed=" in page


def test_the_page_draws_what_the_chart_says(page):
    assert spec_in(page) == front_chart(_POINTS, x=_X, y=_Y, title="RTE <on> one core").to_dict()


def test_texts_cannot_leave_the_pages_script(tmp_path):
    evil = [PlotPoint(x=1, y=1, kind="baseline", label=_EVIL, tooltip={_EVIL: _EVIL})]
    svg, page = write_front(tmp_path / "evil", evil, x=_X, y=_Y, title=_EVIL)
    content = page.read_text(encoding="utf-8")
    assert content.count("<script>") == content.count("</script>") == 2
    assert "<script" not in svg.read_text(encoding="utf-8")


def test_the_chart_holds_every_point():
    rows = values_of(front_chart(_POINTS, x=_X, y=_Y))
    assert sorted((row["x"], row["y"]) for row in rows) == sorted((point.x, point.y) for point in _POINTS)


def test_what_matters_is_drawn_on_top():
    kinds = [row["kind"] for row in values_of(front_chart(_POINTS, x=_X, y=_Y))]
    assert kinds == ["over budget", "dominated", "baseline", "selected", "Pareto front"]


def test_free_tooltip_keys_do_not_become_field_paths():
    point = PlotPoint(x=1, y=1, kind="front", tooltip={"a.b[0]": "seven"})
    chart = front_chart([point], x=_X, y=_Y).to_dict()
    tooltip = next(layer["encoding"]["tooltip"] for layer in chart["layer"] if "tooltip" in layer["encoding"])
    field = next(entry["field"] for entry in tooltip if entry["title"] == "a.b[0]")
    assert values_of(front_chart([point], x=_X, y=_Y))[0][field] == "seven"


@pytest.mark.parametrize(("direction", "steps"), [("min", "step-after"), ("max", "step-before")])
def test_the_line_shows_what_is_attained_at_each_cost(direction, steps):
    x = PlotAxis(title="x", direction=direction)
    shown = [
        PlotPoint(x=1, y=1 + (direction == "max"), kind="front"),
        PlotPoint(x=2, y=2 - (direction == "max"), kind="front"),
    ]
    layers = front_chart(shown, x=x, y=_Y).to_dict()["layer"]
    assert [layer["mark"]["interpolate"] for layer in layers if layer["mark"]["type"] == "line"] == [steps]


@pytest.mark.parametrize(("direction", "start", "end"), [("min", 8, 12.42), ("max", 8, 4.58)])
def test_the_worse_side_of_a_budget_is_shaded(direction, start, end):
    x = PlotAxis(title="x", direction=direction, budget=8)
    layers = front_chart(_POINTS, x=x, y=_Y).to_dict()["layer"]
    shade = next(layer for layer in layers if layer["mark"]["type"] == "rect")["data"]["values"]
    assert shade == [{"x": start, "x2": pytest.approx(end)}]


def test_a_chart_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="got no point"):
        front_chart([], x=_X, y=_Y)


@pytest.mark.parametrize("module", ["altair", "vl_convert"])
def test_a_missing_library_is_named_with_the_command_that_installs_it(monkeypatch, tmp_path, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=rf"need {module}.*pip install 'subnas\[report\]'"):
        write_front(tmp_path / "front", _POINTS, x=_X, y=_Y)
