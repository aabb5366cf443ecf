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
    head_dimensions,
    head_names,
    head_units,
    head_values,
    known_choices,
)
from search_spaces.portability import ratio_widths
from search_spaces.shape import LayerShape, ModelShape
from search_spaces.space import SearchSpace
from search_spaces.subnet import SubnetConfig
from search_spaces.units import count


class UniformSpace(SearchSpace):
    """The same heads and FFN width in every kept layer, and one embedding dimension.

    An encoder and its decoder have depths of their own, `num_encoder_layers` and `num_decoder_layers`.

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
    ) -> None:
        full = _equal_layers(shape)
        self._depths = depth_names(shape)
        allowed = (*self._depths, *head_names(full), "intermediate_size", "hidden_size")
        given = known_choices(choices, allowed, f"the uniform space of {shape.model_type}")
        if portability == "plain" and shape.heads_divide_hidden:
            given = dividing_choices(shape, full, given)
        if portability == "plain" and shape.ffn_rule != "any":
            widths_of_full = ratio_widths(shape, shape.hidden_size)
            given = {"hidden_size": [shape.hidden_size], "intermediate_size": widths_of_full, **given}
        self.layer_order = _checked_order(layer_order, shape.num_hidden_layers)
        self._keeps_first = shape.has_shared_heads or (portability == "plain" and shape.has_own_first_block)
        dimensions = [
            dimension(name, given, range(1, len(stack) + 1), len(stack))
            for name, stack in zip(self._depths, shape.stacks, strict=True)
        ]
        width = dimension(
            "intermediate_size", given, equal_steps(full.intermediate_size, 16), full.intermediate_size
        )
        self._is_coupled = portability == "plain" and not shape.has_head_dim
        if self._is_coupled:
            dimensions += [coupled_heads(shape, full, given), width]
        else:
            widths = [size for size in equal_steps(shape.hidden_size, 8) if 2 * size >= shape.hidden_size]
            hidden = dimension("hidden_size", given, widths, shape.hidden_size)
            dimensions += [*head_dimensions(given, full, low=1), width, hidden]
        super().__init__(shape, dimensions, portability=portability)

    def _configure(self, values: Mapping[str, int]) -> SubnetConfig:
        full = self.shape.layers[0]
        units = head_units(values, full, values["intermediate_size"])
        kept = {
            index
            for name, stack in zip(self._depths, self.shape.stacks, strict=True)
            for index in self._order_of(stack)[: values[name]]
        }
        hidden = units.num_attention_heads * full.head_dim if self._is_coupled else values["hidden_size"]
        layers = tuple(units if index in kept else None for index in range(self.shape.num_hidden_layers))
        return SubnetConfig(hidden=hidden, layers=layers)

    def _values_of(self, config: SubnetConfig) -> dict[str, int]:
        if not config.kept_layers:
            raise SpaceError("the uniform space keeps at least one layer")
        units = config.layers[config.kept_layers[0]]
        assert units is not None
        values = {
            name: sum(index in stack for index in config.kept_layers)
            for name, stack in zip(self._depths, self.shape.stacks, strict=True)
        }
        values |= head_values(units, self.shape.layers[0]) | {"intermediate_size": count(units.ffn)}
        return values if self._is_coupled else values | {"hidden_size": count(config.hidden)}

    def to_json(self) -> dict[str, Any]:
        """The layers' order too: it decides which blocks a depth keeps."""
        return super().to_json() | {"layer_order": list(self.layer_order)}

    def _order_of(self, stack: range) -> list[int]:
        order = [index for index in self.layer_order if index in stack]
        if self._keeps_first:
            order.sort(key=lambda index: index != stack.start)
        return order


def depth_names(shape: ModelShape) -> tuple[str, ...]:
    """Names of the depths of a model's stacks."""
    if len(shape.stacks) == 1:
        return ("num_hidden_layers",)
    return ("num_encoder_layers", "num_decoder_layers")


def dimension(name: str, given: Mapping[str, Choices], default: Sequence[int], full: int) -> Dimension:
    """A dimension with the user's choices, or the default ones."""
    return Dimension(name, legal_values(name, given.get(name), default=default, full=full))


def equal_steps(full: int, parts: int) -> list[int]:
    """`full` in equal steps, `parts` of them where they divide it, otherwise as many as do."""
    divisor = next(n for n in range(parts, 0, -1) if full % n == 0)
    return [full * k // divisor for k in range(1, divisor + 1)]


def _equal_layers(shape: ModelShape) -> LayerShape:
    if len(set(shape.layers)) != 1:
        raise SpaceError("the uniform space needs a model whose layers are equal; choose medium")
    return shape.layers[0]


def _checked_order(order: Sequence[int] | None, depth: int) -> tuple[int, ...]:
    checked = tuple(range(depth)) if order is None else tuple(order)
    if sorted(checked) != list(range(depth)):
        raise SpaceError(f"layer_order: got {list(checked)}; give each of 0 to {depth - 1} once")
    return checked
