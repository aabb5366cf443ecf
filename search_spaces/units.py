"""Kept units of one axis: a prefix as its count, any other set as sorted indices."""

from __future__ import annotations

from typing import TypeAlias

from search_spaces.errors import SpaceError

Units: TypeAlias = "int | tuple[int, ...]"


def count(units: Units) -> int:
    """Number of kept units."""
    return units if isinstance(units, int) else len(units)


def indices(units: Units) -> tuple[int, ...]:
    """Kept units as sorted indices."""
    return tuple(range(units)) if isinstance(units, int) else units


def canonical(units: Units, full: int, name: str) -> Units:
    """The one spelling of a set of kept units: a count where it is a prefix, else sorted indices.

    Raises:
        SpaceError: a count or index outside `0..full`, or an index given twice.
    """
    if type(units) is int:
        if not 0 <= units <= full:
            raise SpaceError(f"{name}: got {units}; the model has {full}, so 0 to {full} are allowed")
        return units
    if not isinstance(units, (tuple, list)) or not set(map(type, units)) <= {int}:
        raise SpaceError(f"{name}: got {units!r}; give a count or a list of indices, in whole numbers")
    kept = tuple(sorted(units))
    if len(set(kept)) != len(kept):
        raise SpaceError(f"{name}: index given twice in {list(units)}")
    if kept and (kept[0] < 0 or kept[-1] >= full):
        raise SpaceError(f"{name}: indices {list(units)} leave 0 to {full - 1}")
    is_prefix = not kept or kept[-1] == len(kept) - 1
    return len(kept) if is_prefix else kept
