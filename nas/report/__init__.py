"""Pictures of a search: the Pareto front and the architecture of a sub-network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas._lazy import lazy

if TYPE_CHECKING:
    from nas.report.architecture import subnet_skyline
    from nas.report.plots import can_draw, front_chart, front_svg, write_front
    from nas.report.points import PlotAxis, PlotPoint, PointKind
    from nas.report.skyline import LayerSizes, skyline_svg

_MODULES = {
    "nas.report.architecture": ("subnet_skyline",),
    "nas.report.plots": ("can_draw", "front_chart", "front_svg", "write_front"),
    "nas.report.points": ("PlotAxis", "PlotPoint", "PointKind"),
    "nas.report.skyline": ("LayerSizes", "skyline_svg"),
}

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

if not TYPE_CHECKING:
    __getattr__ = lazy(__name__, _MODULES)
