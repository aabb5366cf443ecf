"""The uniform space: Klein et al. 2024 (arXiv 2405.02267), Sec. 3, SMALL, with the embedding dimension
added (Sukthanker et al. 2024).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from search_spaces.dimensions import Choices, Dimension, legal_values
from search_spaces.errors import SpaceError
from search_spaces.heads import (
    coupled_heads,
    dividing_choices,
    frozen_heads,
    head_dimensions,
    head_names,
    head_units,
    head_values,
    known_choices,
)
from search_spaces.limits import SpaceLimits
from search_spaces.portability import ratio_widths
from search_spaces.shape import LayerShape, ModelShape
from search_spaces.space import SearchSpace
from search_spaces.subnet import LayerUnits, SubnetConfig, full_layer
from search_spaces.units import count


class UniformSpace(SearchSpace):
    """The same heads and FFN width in every kept layer, and one embedding dimension.

    An encoder and its decoder have depths of their own, `num_encoder_layers` and `num_decoder_layers`.
    Frozen layers are always kept and whole, whatever the other layers' sizes.

    Attributes:
        layer_order: layers from the most to the least important; a depth keeps the first of its stack.
    """

    kind = "uniform"

    def __init__(
        self,
        shape: ModelShape,
        *,
        choices: Mapping[str, Choices] | None = None,
        layer_order: Sequence[int] | None = None,
        portability: Literal["any", "plain"] = "any",
        limits: SpaceLimits | None = None,
    ) -> None:
        full, limits = _equal_layers(shape, self.kind), limits or SpaceLimits()
        given = known_choices(choices, self._allowed(shape), f"the {self.kind} space of {shape.model_type}")
        limits.check(shape, given)
        if portability == "plain":
            given = self._plain_choices(shape, given)
        self.layer_order = _checked_order(layer_order, shape.num_hidden_layers)
        self._frozen = frozenset(limits.frozen_layers)
        self._keeps_first = shape.has_shared_heads or (portability == "plain" and shape.has_own_first_block)
        self._is_coupled = portability == "plain" and not shape.has_head_dim
        dimensions = [
            dimension(name, given, range(1, len(stack) + 1), len(stack), low=self._least_depth(stack))
            for name, stack in zip(shape.depth_names, shape.stacks, strict=True)
        ]
        width = self._width_dimension(shape, given, limits)
        if self._is_coupled:
            dimensions += [coupled_heads(shape, full, given, align=limits.step_of("hidden_size")), width]
        else:
            dimensions += [
                *_heads(shape, given, limits),
                width,
                _hidden(shape, given, limits.step_of("hidden_size")),
            ]
        super().__init__(shape, dimensions, portability=portability, limits=limits)

    def _allowed(self, shape: ModelShape) -> tuple[str, ...]:
        """Names of the dimensions that choices can be given for."""
        return (*shape.depth_names, *head_names(shape.layers[0]), "intermediate_size", "hidden_size")

    def _plain_choices(self, shape: ModelShape, given: Mapping[str, Choices]) -> Mapping[str, Choices]:
        """The choices, with defaults that the stock config can state."""
        if shape.heads_divide_hidden:
            given = dividing_choices(shape, shape.layers[0], given)
        if shape.ffn_rule == "any":
            return given
        widths = ratio_widths(shape, shape.hidden_size)
        return {"hidden_size": [shape.hidden_size], "intermediate_size": widths, **given}

    def _width_dimension(
        self, shape: ModelShape, given: Mapping[str, Choices], limits: SpaceLimits
    ) -> Dimension:
        full, step = shape.layers[0].intermediate_size, limits.step_of("intermediate_size")
        return dimension("intermediate_size", given, equal_steps(full, 16), full, align=step)

    def _intermediate_size(self, values: Mapping[str, int], hidden: int) -> int:
        del hidden
        return values["intermediate_size"]

    def _width_value(self, width: int, hidden: int) -> dict[str, int]:
        """The value of the width's dimension that gives an FFN width at a hidden size."""
        del hidden
        return {"intermediate_size": width}

    def _configure(self, values: Mapping[str, int]) -> SubnetConfig:
        full = self.shape.layers[0]
        heads = head_units(values, full, 0).num_attention_heads
        hidden = heads * full.head_dim if self._is_coupled else values["hidden_size"]
        units = head_units(values, full, self._intermediate_size(values, hidden))
        kept = {
            index
            for name, stack in zip(self.shape.depth_names, self.shape.stacks, strict=True)
            for index in self._order_of(stack)[: values[name]]
        }
        layers = [units if index in kept else None for index in range(self.shape.num_hidden_layers)]
        for index in self._frozen:
            layers[index] = full_layer(full)
        return SubnetConfig(hidden=hidden, layers=tuple(layers))

    def _values_of(self, config: SubnetConfig) -> dict[str, int]:
        if not config.kept_layers:
            raise SpaceError(f"the {self.kind} space keeps at least one layer")
        values = {
            name: sum(index in stack for index in config.kept_layers)
            for name, stack in zip(self.shape.depth_names, self.shape.stacks, strict=True)
        }
        hidden = count(config.hidden)
        units = self._elastic_units(config)
        if units is None:  # the sizes have no effect: the largest stand for all
            values = {d.name: d.values[-1] for d in self.dimensions} | values
        else:
            values |= head_values(units, self.shape.layers[0]) | self._width_value(count(units.ffn), hidden)
        return values if self._is_coupled else values | {"hidden_size": hidden}

    def _elastic_units(self, config: SubnetConfig) -> LayerUnits | None:
        """The units of the kept blocks that are not frozen; None where all of them are."""
        return next((config.layers[i] for i in config.kept_layers if i not in self._frozen), None)

    def to_json(self) -> dict[str, Any]:
        """The layers' order too: it decides which blocks a depth keeps."""
        return super().to_json() | {"layer_order": list(self.layer_order)}

    def _order_of(self, stack: range) -> list[int]:
        order = [index for index in self.layer_order if index in stack]
        return sorted(order, key=lambda index: not self._is_always_kept(index, stack))

    def _is_always_kept(self, index: int, stack: range) -> bool:
        return index in self._frozen or (self._keeps_first and index == stack.start)

    def _least_depth(self, stack: range) -> int:
        return max(1, sum(self._is_always_kept(index, stack) for index in stack))


def dimension(
    name: str,
    given: Mapping[str, Choices],
    default: Sequence[int],
    full: int,
    *,
    low: int = 1,
    align: int = 1,
) -> Dimension:
    """A dimension with the user's choices, or the default ones from `low`."""
    every = [value for value in default if value >= low]
    return Dimension(
        name, legal_values(name, given.get(name), default=every, full=full, low=low, align=align)
    )


def equal_steps(full: int, parts: int) -> list[int]:
    """`full` in equal steps, `parts` of them where they divide it, otherwise as many as do."""
    divisor = next(n for n in range(parts, 0, -1) if full % n == 0)
    return [full * k // divisor for k in range(1, divisor + 1)]


def _hidden(shape: ModelShape, given: Mapping[str, Choices], align: int) -> Dimension:
    """The embedding dimension: at least half of it."""
    widths = [size for size in equal_steps(shape.hidden_size, 8) if 2 * size >= shape.hidden_size]
    return dimension("hidden_size", given, widths, shape.hidden_size, align=align)


def _heads(shape: ModelShape, given: Mapping[str, Choices], limits: SpaceLimits) -> list[Dimension]:
    """All heads where frozen layers share theirs with the others."""
    if shape.has_shared_heads and limits.frozen_layers:
        return frozen_heads(given, shape.layers[0], shape.model_type)
    return head_dimensions(given, shape.layers[0], low=1, step_of=limits.step_of)


def _equal_layers(shape: ModelShape, kind: str) -> LayerShape:
    if len(set(shape.layers)) != 1:
        raise SpaceError(f"the {kind} space needs a model whose layers are equal; choose medium")
    return shape.layers[0]


def _checked_order(order: Sequence[int] | None, depth: int) -> tuple[int, ...]:
    checked = tuple(range(depth)) if order is None else tuple(order)
    if sorted(checked) != list(range(depth)):
        raise SpaceError(f"layer_order: got {list(checked)}; give each of 0 to {depth - 1} once")
    return checked
