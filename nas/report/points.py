"""What a front chart shows: points, axes and the region that both span."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, TypeAlias, get_args

from nas.errors import ConfigError
from nas.objectives import Direction, Objective, Quantity, quantity
from nas.pareto import non_dominated

PointKind: TypeAlias = Literal["front", "dominated", "baseline", "infeasible", "selected"]

_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "num_parameters": "Parameters",
        "num_prunable_parameters": "Prunable parameters",
        "macs": "Multiply-accumulates",
        "weight_bytes": "Weights",
        "kv_cache_bytes": "Key-value cache",
        "latency_ms": "Latency",
        "latency_ratio": "Latency, share of the full model's",
        "cpu_latency_ms": "CPU time",
        "time_to_first_token_ms": "Time to first token",
        "time_per_output_token_ms": "Time per output token",
        "tokens_per_second": "Tokens per second, of a sequence",
        "batch_tokens_per_second": "Tokens per second, of the batch",
        "peak_memory_bytes": "Peak memory",
        "energy_joules": "Energy (J)",
        "f1": "F1",
        "f1_macro": "F1, macro average",
    }
)
_UNITS: Mapping[Quantity, str] = MappingProxyType({"bytes": "bytes", "milliseconds": "ms"})
_SUFFIXES = ("_bytes", "_ms")


@dataclass(frozen=True, kw_only=True)
class PlotPoint:
    """One sub-network or baseline.

    Attributes:
        number: of its trial, None for a baseline.
        x: value on the horizontal axis, in its metric's unit.
        y: value on the vertical axis.
        kind: how it is drawn.
        label: text written beside a baseline or selected point; others show it in the tooltip.
        tooltip: further lines of the tooltip.

    Raises:
        ConfigError: a value that is not finite, or another kind.
    """

    x: float
    y: float
    kind: PointKind
    number: int | None = None
    label: str = ""
    tooltip: Mapping[str, str | float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in get_args(PointKind):
            raise ConfigError(f"point: got kind {self.kind!r}; allowed are {', '.join(get_args(PointKind))}")
        if not (math.isfinite(self.x) and math.isfinite(self.y)):
            raise ConfigError(f"point {self.number}: got ({self.x}, {self.y}); both must be finite")


@dataclass(frozen=True, kw_only=True)
class PlotAxis:
    """One axis.

    Attributes:
        title: name of what it shows.
        direction: which end is better.
        unit: written behind the name and in the tooltip.
        budget: threshold drawn as a line; the worse side of it is shaded.
        number_format: d3 format of tick labels, e.g. `~s` for 60M.
    """

    title: str
    direction: Direction
    unit: str = ""
    budget: float | None = None
    number_format: str = ""

    @classmethod
    def of(cls, objective: Objective, *, budget: float | None = None) -> PlotAxis:
        """The axis of an objective."""
        metric = objective.metric
        plain = metric
        for suffix in _SUFFIXES:
            plain = plain.removesuffix(suffix)
        kind = quantity(metric)
        return cls(
            title=_TITLES.get(metric, plain.replace("_", " ").capitalize()),
            direction=objective.direction,
            unit=_UNITS.get(kind, ""),
            budget=budget,
            number_format="~s" if kind in ("count", "bytes") else "",
        )

    @property
    def name(self) -> str:
        """Title with unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    @property
    def heading(self) -> str:
        """Name and the better direction."""
        return f"{self.name} · {'lower' if self.direction == 'min' else 'higher'} is better"

    @property
    def value_format(self) -> str:
        """The d3 format of one value."""
        return ".4~s" if self.number_format else ".5~g"

    def written(self, value: float) -> str:
        """A value with its unit."""
        for size, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
            if self.number_format and value >= size:
                return f"{value / size:.4g}{prefix} {self.unit}".rstrip()
        return f"{value:.5g} {self.unit}".rstrip()

    def domain(self, values: Iterable[float]) -> tuple[float, float]:
        """Range of the values and the budget, with a margin; it does not reach for zero."""
        shown = [*values, *([] if self.budget is None else [self.budget])]
        low, high = min(shown), max(shown)
        margin = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
        # A cost or a share that is never negative gets no margin below zero.
        return (max(low - margin, 0.0) if low >= 0 else low - margin), high + margin


def front_line(points: Sequence[PlotPoint], x: PlotAxis, y: PlotAxis) -> list[PlotPoint]:
    """Non-dominated points of kind front and selected, from left to right."""
    candidates = [point for point in points if point.kind in ("front", "selected")]
    if not candidates:
        return []
    signs = (1 if x.direction == "min" else -1, 1 if y.direction == "min" else -1)
    kept = non_dominated([[signs[0] * point.x, signs[1] * point.y] for point in candidates])
    line = [point for point, keep in zip(candidates, kept.tolist(), strict=True) if keep]
    return sorted(line, key=lambda point: (point.x, point.y))
