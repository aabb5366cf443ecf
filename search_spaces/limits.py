"""What a space leaves out besides its choices: unaligned sizes, cuts of frozen layers, broken rules."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from search_spaces.dimensions import Choices
from search_spaces.errors import SpaceError
from search_spaces.heads import full_heads
from search_spaces.shape import ModelShape

#: What one number aligns; heads are aligned by name only.
_ALIGNED = ("intermediate_size", "hidden_size")


@dataclass(frozen=True, kw_only=True, slots=True)
class SpaceLimits:
    """What a space leaves out, besides its choices.

    Attributes:
        align: sizes are multiples of this, the full size is always legal: one number for
            `intermediate_size` and `hidden_size`, or a number by dimension.
        frozen_layers: blocks that keep all heads and neurons in every sub-network, ascending.
        rules: what every sub-network obeys, see `search_spaces.rules`.
    """

    align: int | Mapping[str, int] | None = None
    frozen_layers: tuple[int, ...] = ()
    rules: tuple[str, ...] = ()

    def step_of(self, name: str) -> int:
        """What sizes of a dimension are multiples of."""
        if isinstance(self.align, Mapping):
            return self.align.get(name, 1)
        return self.align if self.align is not None and name in _ALIGNED else 1

    def check(self, shape: ModelShape, choices: Mapping[str, Choices]) -> None:
        """Refuse limits that do not fit a model, and listed sizes that are not aligned.

        Raises:
            SpaceError: an unknown dimension or block, a step below 1, or such a size.
        """
        self._check_frozen(shape)
        full_sizes = _full_sizes(shape)
        steps = self.align if isinstance(self.align, Mapping) else dict.fromkeys(_ALIGNED, self.align or 1)
        if self.align == 0 or isinstance(self.align, bool):
            raise SpaceError(f"align: got {self.align!r}; give a whole number of at least 1")
        for name, step in steps.items():
            _check_step(name, step, full_sizes)
            _check_sizes(name, choices.get(name), step, full_sizes[name])

    def to_json(self) -> dict[str, Any]:
        """The limits that are set."""
        align = dict(self.align) if isinstance(self.align, Mapping) else self.align
        record: dict[str, Any] = {
            "align": align,
            "frozen_layers": list(self.frozen_layers),
            "rules": list(self.rules),
        }
        return {name: value for name, value in record.items() if value}

    def _check_frozen(self, shape: ModelShape) -> None:
        layers, depth = self.frozen_layers, shape.num_hidden_layers
        wrong = [index for index in layers if type(index) is not int or not 0 <= index < depth]
        if wrong:
            raise SpaceError(f"frozen_layers: got {wrong[0]!r}; the model has layers 0 to {depth - 1}")
        if list(layers) != sorted(set(layers)):
            raise SpaceError(f"frozen_layers: got {list(layers)}; give each layer once, in ascending order")


def _full_sizes(shape: ModelShape) -> dict[str, set[int]]:
    sizes = {
        "intermediate_size": {full.intermediate_size for full in shape.layers},
        "hidden_size": {shape.hidden_size},
    }
    for full in shape.layers:
        for name, size in full_heads(full).items():
            sizes.setdefault(name, set()).add(size)
    return sizes


def _check_sizes(name: str, sizes: Choices, step: int, full: set[int]) -> None:
    listed = [] if isinstance(sizes, Mapping) or not isinstance(sizes, Sequence) else sizes
    wrong = [size for size in listed if type(size) is int and size % step and size not in full]
    if wrong:
        raise SpaceError(
            f"{name}: {wrong[0]} is no multiple of {step}, which align asks for; allowed are multiples of it "
            f"and the full size, {max(full)}"
        )


def _check_step(name: str, step: object, full_sizes: Mapping[str, set[int]]) -> None:
    if name not in full_sizes:
        near = difflib.get_close_matches(name, full_sizes, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise SpaceError(f"align: unknown dimension {name!r}; allowed are {', '.join(full_sizes)}{hint}")
    if type(step) is not int or step < 1:
        raise SpaceError(f"align: got {step!r} for {name}; give a whole number of at least 1")
