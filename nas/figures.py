"""Numbers as people read them, by what the metric counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from nas.objectives import quantity

_DECIMAL: Final = ((1e9, "G"), (1e6, "M"), (1e3, "K"))
_BINARY: Final = ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"))


def figure(metric: str, value: float) -> str:
    """A metric's value with its unit's prefix: `12.3M`, `45.2 MiB`, `6.31`, `0.9123`."""
    kind = quantity(metric)
    if kind == "count":
        return _scaled(value, _DECIMAL, "")
    if kind == "bytes":
        return _scaled(value, _BINARY, " ")
    if kind == "fraction":
        return f"{value:.4f}"
    return _significant(value)


def latency(metrics: Mapping[str, float], metric: str = "latency_ms") -> str:
    """A latency or its ratio with half its 95 % interval, and `*` if it was measured under contention.

    The interval is a share of the value, as paired measurements know it.
    """
    value = metrics[metric]
    text = figure(metric, value)
    ratio, low, high = (metrics.get(f"latency_ratio{end}") for end in ("", "_low", "_high"))
    if ratio and low is not None and high is not None:
        text = f"{text} ±{100 * (high - low) / 2 / ratio:.2g}%"
    return text + ("*" if is_contended(metrics) else "")


def is_contended(metrics: Mapping[str, float]) -> bool:
    """Whether other work took the processor while the latency was measured."""
    return metrics.get("latency_is_quiet") == 0.0


def percent(part: float, whole: float) -> str:
    """A share in per cent, or a dash of nothing."""
    return f"{100 * part / whole:.0f}%" if whole else "–"


def _scaled(value: float, units: tuple[tuple[float, str], ...], gap: str) -> str:
    for size, name in units:
        if abs(value) >= size:
            return f"{_significant(value / size)}{gap}{name}"
    return f"{value:.0f}"


def _significant(value: float) -> str:
    """Three significant digits, without powers of ten from 0.001 to a million."""
    if not 1 <= abs(value) < 1e6:
        return f"{value:.3g}"
    return f"{value:.{max(0, 3 - len(str(int(abs(value)))))}f}"
