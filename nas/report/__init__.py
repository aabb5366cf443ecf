"""Pictures of a search: the Pareto front and the architecture of a sub-network."""

from __future__ import annotations

from nas.report.architecture import subnet_skyline
from nas.report.plots import can_draw, front_chart, front_svg, write_front
from nas.report.points import PlotAxis, PlotPoint, PointKind
from nas.report.skyline import LayerSizes, skyline_svg

__all__ = [
    "LayerSizes",
    "PlotAxis",
    "PlotPoint",
    "PointKind",
    "can_draw",
    "front_chart",
    "front_svg",
    "skyline_svg",
    "subnet_skyline",
    "write_front",
]
