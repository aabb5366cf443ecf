"""The spaces: uniform sizes, sizes a layer, layers on or off, sub-layers on or off.

Source: Klein et al. 2024 (arXiv 2405.02267), Sec. 3: `uniform` is SMALL with the embedding dimension
added (Sukthanker et al. 2024), `medium` is MEDIUM, `layer` is LAYER, `sublayer` splits a layer's two parts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from search_spaces.dimensions import Choices, Dimension, describe, legal_values
from search_spaces.errors import SpaceError
from search_spaces.shape import LayerShape, ModelShape
from search_spaces.space import SearchSpace
from search_spaces.subnet import LayerUnits, SubnetConfig, full_layer
from search_spaces.units import count

Restriction = Literal["any", "plain"]


class UniformSpace(SearchSpace):
    """The same heads and FFN width in every kept layer, and one embedding dimension.

    Attributes:
        layer_order: layers from the most to the least important; `num_hidden_layers` keeps the first.
    """

    kind = "uniform"

    def __init__(
        self,
        shape: ModelShape,
        *,
        choices: Mapping[str, Choices] | None = None,
        layer_order: Sequence[int] | None = None,
        portability: Restriction = "any",
    ) -> None:
        given = _known(
            choices, ("num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_size")
        )
        full = _equal_layers(shape)
        self.layer_order = _checked_order(layer_order, shape.num_hidden_layers)
        depth = shape.num_hidden_layers
        dimensions = [
            _dimension("num_hidden_layers", given, range(1, depth + 1), depth),
            _dimension(
                "intermediate_size", given, _steps(full.intermediate_size, 16), full.intermediate_size
            ),
        ]
        self._is_coupled = portability == "plain" and not shape.has_head_dim
        if self._is_coupled:
            dimensions.insert(1, _coupled_heads(shape, full, given))
        else:
            heads = range(1, full.num_key_value_heads + 1)
            dimensions.insert(1, _dimension("num_attention_heads", given, heads, full.num_key_value_heads))
            widths = [width for width in _steps(shape.hidden_size, 8) if 2 * width >= shape.hidden_size]
            dimensions.append(_dimension("hidden_size", given, widths, shape.hidden_size))
        super().__init__(shape, dimensions, portability=portability)

    def _configure(self, values: Mapping[str, int]) -> SubnetConfig:
        full, heads = self.shape.layers[0], values["num_attention_heads"]
        units = LayerUnits(heads=heads, queries=full.queries_per_head, ffn=values["intermediate_size"])
        kept = set(self.layer_order[: values["num_hidden_layers"]])
        coupled = heads * full.queries_per_head * full.head_dim
        hidden = coupled if self._is_coupled else values["hidden_size"]
        layers = tuple(units if index in kept else None for index in range(self.shape.num_hidden_layers))
        return SubnetConfig(hidden=hidden, layers=layers)

    def _values_of(self, config: SubnetConfig) -> dict[str, int]:
        if not config.kept_layers:
            raise SpaceError("the uniform space keeps at least one layer")
        units = config.layers[config.kept_layers[0]]
        assert units is not None
        values = {
            "num_hidden_layers": len(config.kept_layers),
            "num_attention_heads": count(units.heads),
            "intermediate_size": count(units.ffn),
        }
        return values if self._is_coupled else values | {"hidden_size": count(config.hidden)}

    def to_json(self) -> dict[str, Any]:
        """The layers' order too: it decides which blocks a depth keeps."""
        return super().to_json() | {"layer_order": list(self.layer_order)}


class MediumSpace(SearchSpace):
    """Heads and FFN width chosen for each layer; 0 removes the sub-layer. The embedding stays whole
    unless `hidden_size` is given.
    """

    kind = "medium"

    def __init__(
        self,
        shape: ModelShape,
        *,
        choices: Mapping[str, Choices] | None = None,
        portability: Restriction = "any",
    ) -> None:
        given = _known(choices, ("num_attention_heads", "intermediate_size", "hidden_size"))
        dimensions = [_dimension("hidden_size", given, [shape.hidden_size], shape.hidden_size)]
        for index, full in enumerate(shape.layers):
            heads, width = full.num_key_value_heads, full.intermediate_size
            for name, default, size in (
                ("num_attention_heads", range(heads + 1), heads),
                ("intermediate_size", [0, *_steps(width, 16)], width),
            ):
                values = legal_values(name, given.get(name), default=default, full=size, low=0)
                dimensions.append(Dimension(f"layers.{index}.{name}", values))
        super().__init__(shape, dimensions, portability=portability)

    def _configure(self, values: Mapping[str, int]) -> SubnetConfig:
        layers = tuple(
            LayerUnits(
                heads=values[f"layers.{index}.num_attention_heads"],
                queries=full.queries_per_head,
                ffn=values[f"layers.{index}.intermediate_size"],
            )
            for index, full in enumerate(self.shape.layers)
        )
        return SubnetConfig(hidden=values["hidden_size"], layers=layers)

    def _values_of(self, config: SubnetConfig) -> dict[str, int]:
        values = {"hidden_size": count(config.hidden)}
        for index, units in enumerate(config.layers):
            values[f"layers.{index}.num_attention_heads"] = count(units.heads) if units else 0
            values[f"layers.{index}.intermediate_size"] = count(units.ffn) if units else 0
        return values


class _SwitchSpace(SearchSpace):
    """Switches named `layers.INDEX...`; a fraction of the space is that share of layers, spread evenly."""

    def _values_at(self, fraction: float) -> dict[str, int]:
        depth = self.shape.num_hidden_layers
        kept = round(fraction * depth)
        values = {}
        for dimension in self.dimensions:
            index = int(dimension.name.split(".")[1])
            is_on = index * kept % depth < kept
            values[dimension.name] = dimension.values[-1 if is_on else 0]
        return values


class LayerSpace(_SwitchSpace):
    """Each layer kept whole or dropped."""

    kind = "layer"

    def __init__(
        self,
        shape: ModelShape,
        *,
        choices: Mapping[str, Choices] | None = None,
        portability: Restriction = "any",
    ) -> None:
        _known(choices, ())
        names = [f"layers.{index}" for index in range(shape.num_hidden_layers)]
        # A plain model keeps at least one layer: the first is fixed, which also spares the zero-layer net.
        first = (1,) if portability == "plain" else (0, 1)
        dimensions = [Dimension(name, first if i == 0 else (0, 1)) for i, name in enumerate(names)]
        super().__init__(shape, dimensions, portability=portability)

    def _configure(self, values: Mapping[str, int]) -> SubnetConfig:
        layers = tuple(
            full_layer(full) if values[f"layers.{index}"] else None
            for index, full in enumerate(self.shape.layers)
        )
        return SubnetConfig(hidden=self.shape.hidden_size, layers=layers)

    def _values_of(self, config: SubnetConfig) -> dict[str, int]:
        return {f"layers.{index}": int(units is not None) for index, units in enumerate(config.layers)}


class SublayerSpace(_SwitchSpace):
    """Attention and feed-forward of each layer kept whole or removed."""

    kind = "sublayer"

    def __init__(
        self,
        shape: ModelShape,
        *,
        choices: Mapping[str, Choices] | None = None,
        portability: Restriction = "any",
    ) -> None:
        _known(choices, ())
        names = [
            f"layers.{i}.{part}" for i in range(shape.num_hidden_layers) for part in ("attention", "ffn")
        ]
        super().__init__(shape, [Dimension(name, (0, 1)) for name in names], portability=portability)

    def _configure(self, values: Mapping[str, int]) -> SubnetConfig:
        layers = tuple(
            LayerUnits(
                heads=values[f"layers.{index}.attention"] * full.num_key_value_heads,
                queries=full.queries_per_head,
                ffn=values[f"layers.{index}.ffn"] * full.intermediate_size,
            )
            for index, full in enumerate(self.shape.layers)
        )
        return SubnetConfig(hidden=self.shape.hidden_size, layers=layers)

    def _values_of(self, config: SubnetConfig) -> dict[str, int]:
        values = {}
        for index, units in enumerate(config.layers):
            values[f"layers.{index}.attention"] = int(units is not None and count(units.heads) > 0)
            values[f"layers.{index}.ffn"] = int(units is not None and count(units.ffn) > 0)
        return values


def build_space(
    kind: str,
    shape: ModelShape,
    *,
    choices: Mapping[str, Choices] | None = None,
    layer_order: Sequence[int] | None = None,
    portability: Restriction = "any",
) -> SearchSpace:
    """Make the space of a name; `layer_order` matters to the uniform space only.

    Raises:
        SpaceError: unknown kind, or choices that are not legal for the model.
    """
    if kind == "uniform":
        return UniformSpace(shape, choices=choices, layer_order=layer_order, portability=portability)
    spaces: dict[str, Callable[..., SearchSpace]] = {
        "medium": MediumSpace,
        "layer": LayerSpace,
        "sublayer": SublayerSpace,
    }
    if kind not in spaces:
        raise SpaceError(f"unknown space {kind!r}; allowed are uniform, {', '.join(spaces)}")
    return spaces[kind](shape, choices=choices, portability=portability)


def _known(choices: Mapping[str, Choices] | None, names: Sequence[str]) -> Mapping[str, Choices]:
    given = {name: value for name, value in (choices or {}).items() if value is not None}
    unknown = sorted(set(given) - set(names))
    if unknown:
        allowed = ", ".join(names) or "none: every dimension is on or off"
        raise SpaceError(f"unknown dimension {unknown[0]!r} for this space; allowed are {allowed}")
    return given


def _dimension(name: str, given: Mapping[str, Choices], default: Sequence[int], full: int) -> Dimension:
    return Dimension(name, legal_values(name, given.get(name), default=default, full=full))


def _steps(full: int, parts: int) -> list[int]:
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


def _coupled_heads(shape: ModelShape, full: LayerShape, given: Mapping[str, Choices]) -> Dimension:
    """Heads where the stock config derives `head_dim`: each number of heads fixes the hidden size."""
    width = full.head_dim * full.queries_per_head
    numbers = {
        h * width: h for h in range(1, full.num_key_value_heads + 1) if h * width != shape.embedding_size
    }
    widths = legal_values(
        "hidden_size", given.get("hidden_size"), default=sorted(numbers), full=shape.hidden_size
    )
    wrong = [size for size in widths if size not in numbers]
    if wrong:
        raise SpaceError(
            f"hidden_size {wrong[0]} is not plain: {_reason(shape, width)}; "
            f"allowed are {describe(sorted(numbers))}, or set portability: any"
        )
    default = [numbers[size] for size in widths]
    heads = legal_values(
        "num_attention_heads",
        given.get("num_attention_heads"),
        default=default,
        full=full.num_key_value_heads,
    )
    missing = [number for number in heads if number not in default]
    if missing:
        raise SpaceError(
            f"{missing[0]} heads of {full.num_key_value_heads} are not plain: {_reason(shape, width)}, "
            f"that is {missing[0] * width}, but hidden_size allows {describe(widths)}; "
            f"change num_attention_heads or hidden_size, or set portability: any"
        )
    return Dimension("num_attention_heads", heads)


def _reason(shape: ModelShape, width: int) -> str:
    rule = f"{shape.model_type}'s config has no head_dim, so hidden_size must be heads x {width}"
    return rule if shape.embedding_size is None else f"{rule} (and not {shape.embedding_size})"
