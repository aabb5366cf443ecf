"""The Pareto front as an Altair chart, and as SVG and HTML files that need no network."""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from types import ModuleType
from typing import Any

from nas.errors import ConfigError
from nas.report.drawing import FONT, GREY, GRID, HEIGHT, INK, MUTED, WIDTH, Drawing
from nas.report.points import PlotAxis, PlotPoint

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>body {{ margin: 16px; background: #FFFFFF; font-family: {font}; }}</style>
<script>{bundle}</script>
</head>
<body>
<div id="front"></div>
<script>
const actions = {{export: true, source: false, compiled: false, editor: false}};
vegaEmbed("#front", {spec}, {{renderer: "svg", actions: actions}});
</script>
</body>
</html>
"""


def front_chart(points: Sequence[PlotPoint], *, x: PlotAxis, y: PlotAxis, title: str = "Pareto front") -> Any:
    """Draw the front as an `altair.LayerChart`.

    Raises:
        ConfigError: no point, or Altair is not installed.
    """
    if not points:
        raise ConfigError("front chart: got no point; at least one sub-network must be finished")
    alt = load("altair")
    drawing = Drawing(alt, points, x, y)
    layers = [*drawing.budgets(), *drawing.line(), *drawing.points(), *drawing.labels()]
    heading = alt.TitleParams(text=title, anchor="start", fontSize=17, color=INK, offset=10)
    return styled(
        alt.layer(*layers).properties(
            width=WIDTH,
            height=HEIGHT,
            title=heading,
            background="#FFFFFF",
            description=f"{title}: {y.name} against {x.name}",
        )
    )


def styled(chart: Any) -> Any:
    """An Altair chart in the fonts and colours that all charts share."""
    return (
        chart.configure(font=FONT)
        .configure_view(stroke=None)
        .configure_axis(
            labelFontSize=13,
            titleFontSize=14,
            titleFontWeight=600,
            labelColor=MUTED,
            titleColor=INK,
            gridColor=GRID,
            domainColor=GREY,
            tickColor=GREY,
            titlePadding=10,
        )
        .configure_legend(
            labelFontSize=13,
            labelColor=INK,
            symbolSize=110,
            symbolStrokeWidth=2,
            symbolOpacity=1,
            orient="top",
            title=None,
            columnPadding=18,
            offset=24,
        )
    )


def front_svg(points: Sequence[PlotPoint], *, x: PlotAxis, y: PlotAxis, title: str = "Pareto front") -> str:
    """Draw the front as an SVG document; equal points give equal text.

    Raises:
        ConfigError: no point, or Altair or vl-convert is not installed.
    """
    return _svg(front_chart(points, x=x, y=y, title=title).to_dict())


def write_front(
    path_stem: str | Path,
    points: Sequence[PlotPoint],
    *,
    x: PlotAxis,
    y: PlotAxis,
    title: str = "Pareto front",
) -> list[Path]:
    """Write `STEM.svg` and `STEM.html`, which holds the drawing library itself.

    Raises:
        ConfigError: no point, or Altair or vl-convert is not installed.
    """
    spec = front_chart(points, x=x, y=y, title=title).to_dict()
    stem = Path(path_stem)
    svg, page = stem.with_name(f"{stem.name}.svg"), stem.with_name(f"{stem.name}.html")
    svg.write_text(_svg(spec), encoding="utf-8")
    page.write_text(_html(spec, drawing_library(), title), encoding="utf-8")
    return [svg, page]


def can_draw() -> bool:
    """Whether the extra `report` is installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("altair", "vl_convert"))


def drawing_library() -> str:
    """JavaScript that defines `vegaEmbed`, with everything that it needs.

    Raises:
        ConfigError: Altair or vl-convert is not installed.
    """
    return str(load("vl_convert").javascript_bundle(vl_version=_vega_lite_version()))


def load(module: str) -> ModuleType:
    """A module of the extra `report`.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        raise ConfigError(
            f"charts need {module}, which is not installed; run: pip install 'subnas[report]'"
        ) from None


def _svg(spec: dict[str, Any]) -> str:
    return str(load("vl_convert").vegalite_to_svg(spec, vl_version=_vega_lite_version()))


def _vega_lite_version() -> str:
    return ".".join(load("altair").SCHEMA_VERSION.removeprefix("v").split(".")[:2])


def _html(spec: dict[str, Any], bundle: str, title: str) -> str:
    # A label may hold `</script>`: neither Altair nor vl-convert escapes it.
    data = json.dumps(spec).replace("<", "\\u003c")
    return _PAGE.format(title=escape(title), font=FONT, bundle=bundle, spec=data)
