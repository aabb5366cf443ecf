"""Tables of the cells that are done."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Final, Literal, TypeVar

from benchmarks.study_of_studies.figures import Figures
from benchmarks.study_of_studies.protocol import REFERENCE, THRESHOLDS
from benchmarks.study_of_studies.table import table

Axis = Literal["importance", "strategy"]
Key = TypeVar("Key", bound=Hashable)
#: What each method is compared with, at the same task, seed and other axis.
BASELINES: Final[dict[Axis, str]] = {"importance": "random", "strategy": "random"}
_NONE: Final = "–"


def report(found: Sequence[Figures]) -> str:
    """All tables as Markdown."""
    parts = [f"Hypervolume of (error, share of parameters) up to {REFERENCE}."]
    for task in dict.fromkeys(one.cell.task for one in found):
        own = [one for one in found if one.cell.task == task]
        parts += [f"### {task}", cell_table(own)]
    for axis in BASELINES:
        differences = difference_table(found, axis)
        if differences:
            parts += [f"### By {axis}", differences]
    codes = {one.code for one in found}
    if len(codes) > 1:
        parts.append(f"These cells were computed by {len(codes)} versions of the source.")
    return "\n\n".join(parts)


def cell_table(found: Sequence[Figures]) -> str:
    """Means over seeds of every importance and strategy of one task, the largest hypervolume first."""
    columns = ("importance", "strategy", "seeds", "hypervolume", "full loss", "full metric")
    budgets = [f"≤ {threshold}" for threshold in THRESHOLDS]
    header = (*columns, *budgets, "passes", "s")
    groups = _grouped(found, lambda one: (one.cell.importance, one.cell.strategy))
    rows = sorted(groups.items(), key=lambda item: -_mean(one.hypervolume for one in item[1]))
    return table(header, [[*key, *_cells(own)] for key, own in rows])


def difference_table(found: Sequence[Figures], axis: Axis) -> str:
    """Mean paired differences to the baseline of an axis, over tasks, seeds and the other axis.

    Empty where no cell has its partner.
    """
    other: Axis = "strategy" if axis == "importance" else "importance"

    def pair(one: Figures) -> tuple[str, int, str]:
        return (one.cell.task, one.cell.seed, getattr(one.cell, other))

    baseline = {pair(one): one for one in found if getattr(one.cell, axis) == BASELINES[axis]}
    columns = (axis, "pairs", f"hypervolume − {BASELINES[axis]}'s", "full loss −")
    header = (*columns, *(f"≤ {threshold} −" for threshold in THRESHOLDS))
    rows = []
    for (name,), own in _grouped(found, lambda one: (getattr(one.cell, axis),)).items():
        pairs = [(one, baseline[pair(one)]) for one in own if pair(one) in baseline]
        if pairs and name != BASELINES[axis]:
            rows.append((name, pairs))
    rows.sort(key=lambda row: -_mean(a.hypervolume - b.hypervolume for a, b in row[1]))
    if not rows:
        return ""
    return table(header, [[name, str(len(pairs)), *_differences(pairs)] for name, pairs in rows])


def _cells(own: Sequence[Figures]) -> list[str]:
    return [
        str(len(own)),
        _with_spread([one.hypervolume for one in own]),
        _with_spread([one.full_loss for one in own]),
        _with_spread([one.full_metric for one in own]),
        *(_budget(own, threshold) for threshold in THRESHOLDS),
        "/".join(str(passes) for passes in sorted({one.passes for one in own})),
        f"{_mean(one.seconds for one in own):.0f}",
    ]


def _budget(own: Sequence[Figures], threshold: float) -> str:
    """Share of the unpruned metric, and of the blocks' weights in brackets."""
    kept = [value for one in own if (value := one.kept[threshold]) is not None]
    prunable = [value for one in own if (value := one.prunable[threshold]) is not None]
    return f"{_mean(kept):.3f} ({_mean(prunable):.2f})" if kept else _NONE


def _differences(pairs: Sequence[tuple[Figures, Figures]]) -> list[str]:
    cells = [
        _signed([a.hypervolume - b.hypervolume for a, b in pairs]),
        _signed([a.full_loss - b.full_loss for a, b in pairs]),
    ]
    for threshold in THRESHOLDS:
        both = [(a.kept[threshold], b.kept[threshold]) for a, b in pairs]
        cells.append(_signed([a - b for a, b in both if a is not None and b is not None]))
    return cells


def _grouped(found: Iterable[Figures], key: Callable[[Figures], Key]) -> dict[Key, list[Figures]]:
    groups: dict[Key, list[Figures]] = {}
    for one in found:
        groups.setdefault(key(one), []).append(one)
    return groups


def _mean(values: Iterable[float]) -> float:
    return statistics.fmean(values)


def _with_spread(values: Sequence[float]) -> str:
    """Mean, and the standard deviation where there are several."""
    mean = f"{_mean(values):.4f}"
    return f"{mean} ± {statistics.stdev(values):.4f}" if len(values) > 1 else mean


def _signed(values: Sequence[float]) -> str:
    if not values:
        return _NONE
    mean = f"{_mean(values):+.4f}"
    return f"{mean} ± {statistics.stdev(values):.4f}" if len(values) > 1 else mean
