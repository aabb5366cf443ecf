"""One elastic dimension: its name, its legal values and how a sampler sees them."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from search_spaces.errors import SpaceError

Choices: TypeAlias = "Sequence[int] | Mapping[str, int] | None"


@dataclass(frozen=True, slots=True)
class Dimension:
    """An ordered elastic dimension.

    Attributes:
        name: the flat parameter's name.
        values: legal values, ascending.
    """

    name: str
    values: tuple[int, ...]

    @property
    def step(self) -> int | None:
        """Distance of neighbours where it is the same throughout, else None."""
        return _step(self.values)

    @property
    def bounds(self) -> tuple[int, int, int]:
        """Low, high and step of the flat parameter: the value itself, or its index if unevenly spaced."""
        if self.step is None:
            return 0, len(self.values) - 1, 1
        return self.values[0], self.values[-1], self.step

    def to_parameter(self, value: int) -> int:
        """The flat parameter that stands for a value.

        Raises:
            SpaceError: a value that is not legal.
        """
        if type(value) is not int or value not in self.values:
            raise SpaceError(f"{self.name}: got {value!r}; allowed are {describe(self.values)}")
        return value if self.step is not None else self.values.index(value)

    def to_value(self, parameter: int) -> int:
        """The value that a flat parameter stands for.

        Raises:
            SpaceError: a parameter that is no whole number of `bounds`.
        """
        low, high, _ = self.bounds
        if type(parameter) is not int or not low <= parameter <= high:
            raise SpaceError(f"{self.name}: got {parameter!r}; allowed are {self._describe_parameters()}")
        if self.step is None:
            return self.values[parameter]
        if parameter not in self.values:
            raise SpaceError(f"{self.name}: got {parameter}; allowed are {self._describe_parameters()}")
        return parameter

    def _describe_parameters(self) -> str:
        if self.step is not None:
            return describe(self.values)
        return f"0 to {len(self.values) - 1}, which stand for {describe(self.values)}"


def legal_values(
    name: str, choices: Choices, *, default: Sequence[int], full: int, low: int = 1, align: int = 1
) -> tuple[int, ...]:
    """Read a user's choices for a dimension: a list of values, or `{min, max, step}`.

    Where `align` is above 1 only its multiples and the full size stay; default values are rounded to them.

    Raises:
        SpaceError: nothing left, a value outside `low..full`, or a step that does not divide the range.
    """
    if choices is None:
        return tuple(sorted({aligned(value, align, full) for value in default}))
    given: object = choices
    if not isinstance(given, (Mapping, Sequence)):
        raise SpaceError(f"{name}: got {given!r}; give a list of values, or min, max and step")
    values = _range(name, choices, full, low) if isinstance(choices, Mapping) else list(choices)
    if not values:
        raise SpaceError(f"{name}: no value given; allowed are {low} to {full}")
    wrong = [value for value in values if type(value) is not int or not low <= value <= full]
    if wrong:
        raise SpaceError(f"{name}: got {wrong[0]!r}; the model allows whole numbers from {low} to {full}")
    kept = sorted({value for value in values if value % align == 0 or value == full})
    if not kept:
        raise SpaceError(
            f"{name}: {describe(sorted(set(values)))} holds no multiple of {align}, which align asks for"
        )
    return tuple(kept)


def aligned(value: int, align: int, full: int) -> int:
    """The nearest multiple of a step that is neither 0, unless the value is, nor above the full size."""
    if value in (0, full):
        return value
    return min(full, max(align, (2 * value + align) // (2 * align) * align))


def describe(values: Sequence[int]) -> str:
    """Values as text, long rows shortened."""
    if len(values) <= 12:
        return ", ".join(map(str, values))
    return (
        f"{', '.join(map(str, values[:4]))}, ..., {', '.join(map(str, values[-2:]))} ({len(values)} values)"
    )


@functools.lru_cache(maxsize=4096)
def _step(values: tuple[int, ...]) -> int | None:
    if len(values) == 1:
        return 1
    steps = {high - low for low, high in itertools.pairwise(values)}
    return steps.pop() if len(steps) == 1 else None


def _range(name: str, choices: Mapping[str, int], full: int, low: int) -> list[int]:
    unknown = sorted(set(choices) - {"min", "max", "step"})
    if unknown:
        raise SpaceError(f"{name}: unknown key {unknown[0]!r}; a range has min, max and step")
    first, last, step = choices.get("min", low), choices.get("max", full), choices.get("step", 1)
    wrong = [value for value in (first, last, step) if type(value) is not int]
    if wrong:
        raise SpaceError(f"{name}: got {wrong[0]!r} in a range; give whole numbers")
    if step < 1 or first > last:
        raise SpaceError(f"{name}: min {first}, max {last}, step {step} is empty; need min <= max, step >= 1")
    if (last - first) % step:
        reached = first + (last - first) // step * step
        raise SpaceError(
            f"{name}: step {step} does not divide the range {first} to {last}; "
            f"set max to {reached}, or min to {last - (last - first) // step * step}"
        )
    return list(range(first, last + 1, step))
