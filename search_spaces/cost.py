"""Exact costs of a sub-network, from the model's shape alone.

A weight's size is a product of sums of axis sizes. The products are expanded once into monomials a
model, so that pricing a sub-network is a few multiplications a layer.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache

from search_spaces.shape import Axis, ModelShape, TensorLayout
from search_spaces.subnet import LayerUnits, SubnetConfig
from search_spaces.units import count

_Monomial = tuple[Axis, ...]
_Polynomial = tuple[tuple[_Monomial, int], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """What one forward pass processes.

    Attributes:
        batch_size: sequences.
        sequence_length: tokens a sequence, of a source and its target alike; models with inputs of one
            size (images, speech) have their own.
        bytes_per_value: 4 in float32, 2 in bfloat16.
    """

    batch_size: int = 1
    sequence_length: int = 128
    bytes_per_value: int = 4

    def lengths(self, shape: ModelShape) -> tuple[int, int]:
        """Tokens of a sequence and of an encoder's output for a model, which may fix either."""
        length = shape.sequence_length or self.sequence_length
        return length, (shape.source_length or length) if shape.num_encoder_layers else length


@dataclass(frozen=True, kw_only=True, slots=True)
class Costs:
    """Exact costs of a sub-network at a workload.

    Attributes:
        num_parameters: all weights, tied ones once; equals the extracted model's `numel`.
        num_prunable_parameters: weights inside the transformer blocks.
        macs: multiply-accumulates of one forward pass, attention matmuls included; half of what a
            FLOP counter prints.
        weight_bytes: memory of the weights.
        kv_cache_bytes: memory of keys and values at full length; 0 where the model does not generate.
    """

    num_parameters: int
    num_prunable_parameters: int
    macs: int
    weight_bytes: int
    kv_cache_bytes: int

    def as_dict(self) -> dict[str, float]:
        """Costs by metric name."""
        return {name: float(value) for name, value in asdict(self).items()}


def cost(shape: ModelShape, config: SubnetConfig, workload: Workload) -> Costs:
    """Price a canonical sub-network."""
    pricing = _pricing(shape)
    hidden = count(config.hidden)
    length, source = workload.lengths(shape)
    per_sequence = {"all": length, "first": 1, "source": source, "patches": shape.num_patches}
    tokens = {kind: workload.batch_size * number for kind, number in per_sequence.items()}
    outside = pricing.outside.parameters(hidden, None)
    macs = pricing.outside.macs(hidden, None, tokens)
    inside = 0
    for pieces, units in zip(pricing.layers, config.layers, strict=True):
        for piece in _kept(pieces, units):
            inside += piece.parameters(hidden, units)
            macs += piece.macs(hidden, units, tokens)
    macs += _attention_macs(shape, config, workload)
    return Costs(
        num_parameters=outside + inside,
        num_prunable_parameters=inside,
        macs=macs,
        weight_bytes=(outside + inside) * workload.bytes_per_value,
        kv_cache_bytes=_kv_cache_bytes(shape, config, workload),
    )


@dataclass(frozen=True, slots=True)
class _Piece:
    """Monomials of the weights that are kept or removed together."""

    sizes: _Polynomial
    products: Mapping[str, _Polynomial]

    def parameters(self, hidden: int, units: LayerUnits | None) -> int:
        return _evaluate(self.sizes, _axis_sizes(hidden, units))

    def macs(self, hidden: int, units: LayerUnits | None, tokens: Mapping[str, int]) -> int:
        sizes = _axis_sizes(hidden, units)
        return sum(tokens[kind] * _evaluate(terms, sizes) for kind, terms in self.products.items())


@dataclass(frozen=True, slots=True)
class _Pricing:
    outside: _Piece
    layers: tuple[Mapping[str | None, _Piece], ...]


@lru_cache(maxsize=64)
def _pricing_of(tensors: tuple[TensorLayout, ...], num_layers: int) -> _Pricing:
    outside = _piece(layout for layout in tensors if layout.layer is None)
    layers: list[Mapping[str | None, _Piece]] = []
    for index in range(num_layers):
        own = [layout for layout in tensors if layout.layer == index]
        parts = sorted({layout.part or "" for layout in own})
        layers.append({part or None: _piece(t for t in own if (t.part or "") == part) for part in parts})
    return _Pricing(outside, tuple(layers))


def _pricing(shape: ModelShape) -> _Pricing:
    cached: _Pricing | None = shape.__dict__.get("_pricing")
    if cached is None:
        cached = _pricing_of(shape.tensors, shape.num_hidden_layers)
        shape.__dict__["_pricing"] = cached
    return cached


def _piece(layouts: Iterable[TensorLayout]) -> _Piece:
    sizes: Counter[_Monomial] = Counter()
    products: dict[str, Counter[_Monomial]] = {}
    for layout in layouts:
        terms = _monomials(layout)
        if layout.tied_to is None:
            sizes.update(terms)
        if layout.tokens != "none":
            repeated = {axes: layout.repeats * factor for axes, factor in terms.items()}
            products.setdefault(layout.tokens, Counter()).update(repeated)
    return _Piece(tuple(sizes.items()), {kind: tuple(terms.items()) for kind, terms in products.items()})


def _monomials(layout: TensorLayout) -> Counter[_Monomial]:
    terms: Counter[_Monomial] = Counter()
    for choice in itertools.product(*layout.dims):
        axes = tuple(sorted(segment.axis for segment in choice if segment.axis != "fixed"))
        terms[axes] += math.prod(segment.size for segment in choice)
    return terms


def _kept(pieces: Mapping[str | None, _Piece], units: LayerUnits | None) -> list[_Piece]:
    if units is None:
        return []
    removed = {"attention": units.num_attention_heads == 0, "ffn": count(units.ffn) == 0}
    return [piece for part, piece in pieces.items() if part is None or not removed[part]]


def _axis_sizes(hidden: int, units: LayerUnits | None) -> dict[str, int]:
    if units is None:
        return {"hidden": hidden}
    return {
        "hidden": hidden,
        "heads": count(units.heads),
        "queries": units.num_attention_heads,
        "ffn": count(units.ffn),
    }


def _evaluate(terms: _Polynomial, sizes: Mapping[str, int]) -> int:
    return sum(factor * math.prod(sizes[axis] for axis in axes) for axes, factor in terms)


def _attention_macs(shape: ModelShape, config: SubnetConfig, workload: Workload) -> int:
    """Two matmuls a query head, `length x head_dim x length` each; a causal mask saves none of them."""
    length, source = workload.lengths(shape)
    total = 0
    for index, (units, layer) in enumerate(zip(config.layers, shape.layers, strict=True)):
        if units is not None:
            is_encoder = index < shape.num_encoder_layers
            attended = source**2 if is_encoder else length**2
            if shape.num_encoder_layers and not is_encoder:
                attended += length * source
            total += units.num_attention_heads * layer.head_dim * attended
    return 2 * workload.batch_size * total


def _kv_cache_bytes(shape: ModelShape, config: SubnetConfig, workload: Workload) -> int:
    """Keys and values of a decoder's blocks, those of the source included."""
    if not shape.is_causal:
        return 0
    length, source = workload.lengths(shape)
    decoder = shape.stacks[-1]
    width = 0
    for index in decoder:
        units = config.layers[index]
        width += 0 if units is None else count(units.heads) * shape.layers[index].head_dim
    cached = length + (source if shape.num_encoder_layers else 0)
    return 2 * width * workload.batch_size * cached * workload.bytes_per_value
