"""The shape of a full model: its axes, and for each weight the axes that its dimensions lie on.

One description serves slicing, ranking, cost and export. A tensor's dimension is a row of segments;
`query_key_value.weight` of a fused projection has three, an ordinary weight one.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias

Axis: TypeAlias = Literal["hidden", "heads", "queries", "ffn", "fixed"]
Part: TypeAlias = Literal["attention", "ffn"]
Tokens: TypeAlias = Literal["all", "first", "source", "patches", "none"]
FfnRule: TypeAlias = Literal["any", "ratio", "gated_ratio"]


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of elements along one tensor dimension.

    Attributes:
        axis: `hidden` (residual channels), `heads` (key-value heads), `queries` (query heads),
            `ffn` (intermediate neurons) or `fixed`.
        size: elements a unit of the axis, e.g. `head_dim` for heads; all of them where fixed.
    """

    axis: Axis
    size: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorLayout:
    """Where one weight lies.

    Attributes:
        name: key in the state dict.
        dims: segments of each tensor dimension.
        layer: index of its transformer block, None outside the blocks.
        part: the residual sub-layer it belongs to; None keeps it as long as its block is kept.
        tokens: what it multiplies: `all` tokens of a sequence, the `first` one, the `source` tokens that
            an encoder hands to a decoder, the `patches` of an image, or `none`.
        repeats: times that it multiplies each of them.
        tied_to: name of the weight that it shares memory with, so that it is counted once.
    """

    name: str
    dims: tuple[tuple[Segment, ...], ...]
    layer: int | None = None
    part: Part | None = None
    tokens: Tokens = "none"
    repeats: int = 1
    tied_to: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerShape:
    """Full sizes of one transformer block; `queries_per_head` is 1 in multi-head attention."""

    num_key_value_heads: int
    queries_per_head: int
    head_dim: int
    intermediate_size: int

    @property
    def num_attention_heads(self) -> int:
        """Query heads of the full block."""
        return self.num_key_value_heads * self.queries_per_head


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """Everything about a full model that sizes and costs depend on.

    Attributes:
        model_type: transformers' name of the architecture.
        hidden_size: residual channels.
        layers: the blocks in order; an encoder's before its decoder's.
        tensors: layout of every weight.
        num_encoder_layers: how many of the blocks are an encoder's whose output a decoder attends to; 0
            where there is one stack only.
        has_head_dim: the stock config states `head_dim` on its own, so that the number of heads does
            not bind `hidden_size`.
        is_causal: generates with a key-value cache.
        embedding_size: width of embeddings that a projection turns into `hidden_size`, None without a
            projection. The stock class leaves the projection out where both are equal.
        heads_divide_hidden: the stock config demands that the number of query heads divides `hidden_size`.
        has_shared_heads: position biases are made by the first block of a stack for all of its blocks, so
            that all kept blocks keep the same heads, and that block its attention.
        sequence_length: tokens of every input, where the model fixes it (images).
        source_length: tokens of every encoder output, where the model fixes it (speech).
        num_patches: tokens of an image that are patches.
        has_own_first_block: the stock class builds the first block unlike the others.
        ffn_rule: FFN widths that the stock config can state: `any`, `ratio` whole multiples of
            `hidden_size`, `gated_ratio` two thirds of those, rounded up to a multiple of 8.
    """

    model_type: str
    hidden_size: int
    layers: tuple[LayerShape, ...]
    tensors: tuple[TensorLayout, ...] = field(repr=False)
    has_head_dim: bool = False
    is_causal: bool = False
    embedding_size: int | None = None
    num_encoder_layers: int = 0
    heads_divide_hidden: bool = False
    has_shared_heads: bool = False
    sequence_length: int | None = None
    source_length: int | None = None
    num_patches: int = 0
    has_own_first_block: bool = False
    ffn_rule: FfnRule = "any"

    @property
    def stacks(self) -> tuple[range, ...]:
        """Indices of the blocks of each stack: all of them, or the encoder's and the decoder's."""
        every = (range(self.num_encoder_layers), range(self.num_encoder_layers, len(self.layers)))
        return every if self.num_encoder_layers else every[1:]

    @property
    def depth_names(self) -> tuple[str, ...]:
        """Names of the depths of the stacks."""
        return (
            ("num_hidden_layers",) if len(self.stacks) == 1 else ("num_encoder_layers", "num_decoder_layers")
        )

    @property
    def num_hidden_layers(self) -> int:
        """Number of transformer blocks, an encoder's and a decoder's together."""
        return len(self.layers)

    @cached_property
    def by_name(self) -> dict[str, TensorLayout]:
        """Layouts by the names of their weights."""
        return {layout.name: layout for layout in self.tensors}

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict; `from_json` reads it back."""
        record = asdict(self)
        record["tensors"] = [_tensor_to_json(layout) for layout in self.tensors]
        record["layers"] = [asdict(layer) for layer in self.layers]
        return record

    @staticmethod
    def from_json(record: dict[str, Any]) -> ModelShape:
        """Read what `to_json` wrote."""
        fields = dict(record)
        fields["layers"] = tuple(LayerShape(**layer) for layer in record["layers"])
        fields["tensors"] = tuple(_tensor_from_json(layout) for layout in record["tensors"])
        return ModelShape(**fields)


def _tensor_to_json(layout: TensorLayout) -> dict[str, Any]:
    record: dict[str, Any] = {
        "name": layout.name,
        "dims": [[[s.axis, s.size] for s in dim] for dim in layout.dims],
    }
    optional = {"layer": layout.layer, "part": layout.part, "tied_to": layout.tied_to}
    record |= {key: value for key, value in optional.items() if value is not None}
    record |= {} if layout.repeats == 1 else {"repeats": layout.repeats}
    return record if layout.tokens == "none" else record | {"tokens": layout.tokens}


def _tensor_from_json(record: dict[str, Any]) -> TensorLayout:
    dims = tuple(tuple(Segment(axis, size) for axis, size in dim) for dim in record["dims"])
    return TensorLayout(**{**record, "dims": dims})
