"""A sub-network as the units it keeps, in one canonical spelling."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from search_spaces.errors import SpaceError
from search_spaces.shape import LayerShape, ModelShape
from search_spaces.units import Units, canonical, count


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerUnits:
    """Kept units of one block.

    Attributes:
        heads: key-value heads; in multi-head attention every head is one. 0 removes the attention
            sub-layer: its residual branch becomes the identity, norm and bias included.
        queries: query heads kept of each key-value head; 1 in multi-head attention.
        ffn: intermediate neurons; 0 removes the feed-forward sub-layer.
    """

    heads: Units
    queries: Units = 1
    ffn: Units

    @property
    def num_attention_heads(self) -> int:
        """Kept query heads."""
        return count(self.heads) * count(self.queries)


@dataclass(frozen=True, kw_only=True)
class SubnetConfig:
    """The units that a sub-network keeps of a full model.

    Attributes:
        hidden: residual channels.
        layers: kept units of each block of the full model, None where the block is dropped.
    """

    hidden: Units
    layers: tuple[LayerUnits | None, ...]

    @staticmethod
    def full(shape: ModelShape) -> SubnetConfig:
        """The whole model."""
        return SubnetConfig(hidden=shape.hidden_size, layers=tuple(full_layer(s) for s in shape.layers))

    @cached_property
    def kept_layers(self) -> tuple[int, ...]:
        """Indices of the kept blocks."""
        return tuple(index for index, layer in enumerate(self.layers) if layer is not None)

    @cached_property
    def key(self) -> str:
        """Stable name of a canonical configuration: 32 hexadecimal digits of its JSON's SHA-256."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def canonical(self, shape: ModelShape) -> SubnetConfig:
        """The one spelling of this sub-network: prefixes as counts, removed parts normalised away.

        Raises:
            SpaceError: units that the model does not have.
        """
        if len(self.layers) != len(shape.layers):
            raise SpaceError(f"configuration has {len(self.layers)} layers, the model {len(shape.layers)}")
        hidden = canonical(self.hidden, shape.hidden_size, "hidden_size")
        if count(hidden) == 0:
            raise SpaceError("hidden_size: got 0; at least one channel must be kept")
        pairs = enumerate(zip(self.layers, shape.layers, strict=True))
        layers = tuple(_canonical_layer(units, full, index) for index, (units, full) in pairs)
        if shape.has_shared_heads:
            _check_shared_heads(shape, layers)
        return SubnetConfig(hidden=hidden, layers=layers)

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict; `from_json` reads it back."""
        return {
            "hidden": _units_to_json(self.hidden),
            "layers": [None if layer is None else _layer_to_json(layer) for layer in self.layers],
        }

    @staticmethod
    def from_json(record: Mapping[str, Any]) -> SubnetConfig:
        """Read what `to_json` wrote.

        Raises:
            SpaceError: the record has another form.
        """
        try:
            layers = tuple(None if layer is None else _layer_from_json(layer) for layer in record["layers"])
            return SubnetConfig(hidden=_units_from_json(record["hidden"]), layers=layers)
        except (KeyError, TypeError, AttributeError) as error:
            raise SpaceError(
                f"not a sub-network configuration ({error!r}); expected "
                '{"hidden": UNITS, "layers": [null | {"heads": UNITS, "ffn": UNITS}, ...]}'
            ) from error


def full_layer(shape: LayerShape) -> LayerUnits:
    """All units of a block."""
    return LayerUnits(
        heads=shape.num_key_value_heads, queries=shape.queries_per_head, ffn=shape.intermediate_size
    )


def _canonical_layer(units: LayerUnits | None, full: LayerShape, index: int) -> LayerUnits | None:
    if units is None:
        return None
    heads = canonical(units.heads, full.num_key_value_heads, f"layer {index}: heads")
    queries = canonical(units.queries, full.queries_per_head, f"layer {index}: queries")
    ffn = canonical(units.ffn, full.intermediate_size, f"layer {index}: intermediate_size")
    if count(heads) == 0 or count(queries) == 0:
        heads = queries = 0
    if heads == 0 and count(ffn) == 0:
        return None
    return LayerUnits(heads=heads, queries=queries, ffn=ffn)


def _check_shared_heads(shape: ModelShape, layers: tuple[LayerUnits | None, ...]) -> None:
    why = f"the first block of a {shape.model_type} stack makes the position biases of all its blocks"
    for stack in shape.stacks:
        first = layers[stack.start]
        if first is None or count(first.heads) == 0:
            raise SpaceError(f"layer {stack.start} must be kept with its attention: {why}")
    for index, units in enumerate(layers):
        assert layers[0] is not None
        if units is None or units.heads == 0:
            continue
        if (units.heads, units.queries) != (layers[0].heads, layers[0].queries):
            raise SpaceError(
                f"layer {index}: heads {units.heads} differ from layer 0's {layers[0].heads}: {why}; "
                "keep the same heads in every kept block"
            )


def _layer_to_json(layer: LayerUnits) -> dict[str, Any]:
    record = {"heads": _units_to_json(layer.heads), "ffn": _units_to_json(layer.ffn)}
    return record if layer.queries == 1 else record | {"queries": _units_to_json(layer.queries)}


def _layer_from_json(record: Mapping[str, Any]) -> LayerUnits:
    return LayerUnits(
        heads=_units_from_json(record["heads"]),
        queries=_units_from_json(record.get("queries", 1)),
        ffn=_units_from_json(record["ffn"]),
    )


def _units_to_json(units: Units) -> int | list[int]:
    return units if isinstance(units, int) else list(units)


def _units_from_json(value: Any) -> Units:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, (list, tuple)) and all(type(item) is int for item in value):
        return tuple(value)
    raise TypeError(f"units {value!r}")
