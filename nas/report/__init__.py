"""Pictures of a search: the Pareto front and the architecture of a sub-network."""

from __future__ import annotations

from nas.report.plots import front_chart, write_front
from nas.report.points import PlotAxis, PlotPoint, PointKind
from nas.report.skyline import LayerSizes, skyline_svg

__all__ = [
    "LayerSizes",
    "PlotAxis",
    "PlotPoint",
    "PointKind",
    "front_chart",
    "skyline_svg",
    "write_front",
]
