"""What a family description says, and how it becomes a `ModelShape`.

A family names weights and modules; slicing, ranking, cost and export are written once elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal

from torch import nn

from nas.elastic import full_size
from nas.errors import UnsupportedModelError
from nas.families.stream import UNDESCRIBED, ResidualStream
from search_spaces import LayerShape, LayerUnits, ModelShape, Segment, TensorLayout
from search_spaces.shape import Part, Tokens
from search_spaces.units import count

Symbol = Literal["hidden", "heads", "queries", "qkv", "head_scalars", "ffn", "fixed"]
#: Sizes of a block that attributes may take; see `sizes_of`.
Size = Literal[
    "num_attention_heads",
    "num_key_value_heads",
    "num_key_value_groups",
    "query_width",
    "key_value_width",
    "intermediate_size",
]
#: A size, or attributes of an object that the module gets a copy of.
Attribute = Size | Mapping[str, Size]
#: Ends of the names of model classes whose heads see every token.
_EACH_TOKEN: Final = ("ForTokenClassification", "ForMaskedLM", "ForQuestionAnswering")


@dataclass(frozen=True, slots=True)
class Weight:
    """The axes of a weight's dimensions, in order.

    Attributes:
        dims: a symbol for each dimension, or a tuple of symbols where several projections lie in a row;
            `heads` (key-value heads) and `queries` (query heads) stand for that many times `head_dim`,
            `qkv` for each head's query, key and value side by side, `head_scalars` for one element a
            key-value head, `fixed` for a size that no sub-network changes.
        part: the residual sub-layer it is removed with; None where it belongs to both.
        tokens: which tokens it multiplies, for the count of operations.
        repeats: times that it multiplies each of them.
    """

    dims: tuple[Symbol | tuple[Symbol, ...], ...]
    part: Part | None = None
    tokens: Tokens = "none"
    repeats: int = 1


@dataclass(frozen=True, kw_only=True)
class Block:
    """The blocks of one stack.

    Attributes:
        path: the list of blocks, below the base model.
        weights: every weight of a block by its path below the block; those that a model lacks do no harm.
        attention_outputs: modules whose input is the concatenated heads.
        ffn_output: module whose input is the intermediate neurons.
        norms: modules that emit the normalised residual stream.
        attributes: what the forward reads besides weights where heads are missing, by module path.
        removed: stand-ins for the children of a block, by path, that make a sub-layer the identity.
    """

    path: str
    weights: Mapping[str, Weight]
    attention_outputs: tuple[str, ...]
    ffn_output: str
    norms: tuple[str, ...]
    removed: Mapping[Part, Mapping[str, type[nn.Module]]]
    attributes: Mapping[str, Mapping[str, Attribute]] = field(default_factory=dict)


class Family:
    """Description of the architectures that share one layout.

    Attributes:
        model_types: transformers' `model_type` names.
        blocks: the stack of blocks; an encoder's and its decoder's where there are two.
        weights: every weight outside the blocks by a pattern that its whole name, base prefix left out,
            must match.
        norms: modules outside the blocks that emit the normalised residual stream, below the base model.
        has_head_dim: the stock config states `head_dim` on its own.
        ffn_entry: the config's name of the FFN width.
        is_causal: generates with a key-value cache.
        limits: what is not elastic, with the reason, by dimension; for the docs and the search space.
        stream: what a rotation of the residual stream needs, or why there can be none.
    """

    model_types: ClassVar[tuple[str, ...]]
    blocks: ClassVar[tuple[Block, ...]]
    weights: ClassVar[Mapping[str, Weight]]
    norms: ClassVar[tuple[str, ...]] = ()
    has_head_dim: ClassVar[bool] = False
    ffn_entry: ClassVar[str] = "intermediate_size"
    is_causal: ClassVar[bool] = False
    limits: ClassVar[Mapping[str, str]] = MappingProxyType({})
    stream: ClassVar[ResidualStream | str] = UNDESCRIBED

    def layer_shapes(self, config: Any) -> tuple[LayerShape, ...]:
        """Full sizes of all blocks, an encoder's before its decoder's; by a config's usual entries."""
        heads = config.num_attention_heads
        return equal_layers(
            config.num_hidden_layers,
            heads,
            getattr(config, "num_key_value_heads", None) or heads,
            getattr(config, "head_dim", None) or config.hidden_size // heads,
            getattr(config, self.ffn_entry),
        )

    def plain_sizes(self, config: Any, hidden_size: int, units: LayerUnits) -> Mapping[str, Any]:
        """Entries that a full model's config needs where all kept blocks keep these units."""
        sizes = {
            "hidden_size": hidden_size,
            "num_attention_heads": units.num_attention_heads,
            self.ffn_entry: count(units.ffn),
        }
        if hasattr(config, "num_key_value_heads"):
            sizes["num_key_value_heads"] = count(units.heads)
        if self.has_head_dim:  # it no longer follows from the others
            sizes["head_dim"] = self.layer_shapes(config)[0].head_dim
        return sizes

    def facts(self, config: Any) -> Mapping[str, Any]:
        """Further fields of `ModelShape`."""
        del config
        return {}

    def check(self, config: Any) -> None:
        """Raise UnsupportedModelError for a variant that the description does not fit."""
        del config

    def outside_weights(self, config: Any) -> Mapping[str, Weight]:
        """Patterns of the weights outside the blocks for one config."""
        del config
        return self.weights

    def depth(self, config: Any, kept: Sequence[Sequence[int]]) -> Mapping[str, Any]:
        """Entries that a config needs for the kept blocks of each stack, by index in the stack."""
        entries: dict[str, Any] = {"num_hidden_layers": len(kept[0])}
        kinds = getattr(config, "layer_types", None)
        return entries if kinds is None else entries | {"layer_types": [kinds[i] for i in kept[0]]}

    def refit(self, model: nn.Module, full_size: int, hidden_size: int) -> None:
        """Make up for constants that the stock class derives from `hidden_size`, in a cut plain model."""
        del model, full_size, hidden_size

    def describe(self, model: nn.Module) -> ModelShape:
        """Lay every weight of a model on its axes.

        Raises:
            UnsupportedModelError: a weight that the family does not name, so that none is left unpruned
                in silence, that has another size than the config says, or that is tied across axes; or a
                variant that it does not cover.
        """
        config: Any = model.config
        self.check(config)
        layers = self.layer_shapes(config)
        stacks = self.stacks_of(model)
        starts = [sum(len(stack) for stack in stacks[:number]) for number in range(len(stacks))]
        first_name: dict[int, str] = {}
        tensors = []
        for name, parameter in model.named_parameters(remove_duplicate=False):
            tied_to = first_name.get(id(parameter))
            first_name.setdefault(id(parameter), name)
            index, weight = self._find(name, model, starts)
            tensors.append(
                TensorLayout(
                    name=name,
                    dims=_segments(weight, None if index is None else layers[index], parameter.shape),
                    layer=index,
                    part=weight.part,
                    tokens=_tokens(weight, model),
                    repeats=weight.repeats,
                    tied_to=tied_to,
                )
            )
        shape = ModelShape(
            model_type=config.model_type,
            hidden_size=config.hidden_size,
            layers=layers,
            tensors=tuple(tensors),
            is_causal=self.is_causal,
            num_encoder_layers=starts[-1],
            **{"has_head_dim": self.has_head_dim, **self.facts(config)},
        )
        _check_sizes(model, shape)
        _check_ties(shape)
        return shape

    def block_of(self, shape: ModelShape, index: int) -> Block:
        """The description of a block."""
        return self.blocks[int(len(self.blocks) > 1 and index >= shape.num_encoder_layers)]

    def stacks_of(self, model: nn.Module) -> list[nn.ModuleList]:
        """The lists of blocks."""
        prefix = base_prefix(model)
        try:
            stacks = [model.get_submodule(prefix + block.path) for block in self.blocks]
        except AttributeError as error:
            raise UnsupportedModelError(
                f"{type(model).__name__} lacks a stack of family {type(self).__name__} ({error}); "
                f"use a class with {' and '.join(block.path for block in self.blocks)}"
            ) from error
        assert all(isinstance(stack, nn.ModuleList) for stack in stacks)
        return stacks  # type: ignore[return-value]  # as was just seen

    def layers_of(self, model: nn.Module) -> list[nn.Module]:
        """All blocks, an encoder's before its decoder's."""
        return [block for stack in self.stacks_of(model) for block in stack]

    def norms_of(self, model: nn.Module) -> list[tuple[int, nn.Module]]:
        """Every module that emits the normalised residual stream, with the number of its stack."""
        prefix = base_prefix(model)
        outer = [(self._stack_of(path), model.get_submodule(prefix + path)) for path in self.norms]
        inner = [
            (number, layer.get_submodule(path))
            for number, (block, stack) in enumerate(zip(self.blocks, self.stacks_of(model), strict=True))
            for layer in stack
            for path in block.norms
        ]
        return outer + inner

    def _stack_of(self, path: str) -> int:
        top = path.partition(".")[0]
        numbers = [number for number, block in enumerate(self.blocks) if block.path.partition(".")[0] == top]
        return numbers[0] if numbers else 0

    def _find(self, name: str, model: nn.Module, starts: Sequence[int]) -> tuple[int | None, Weight]:
        local = name.removeprefix(base_prefix(model))
        for block, start in zip(self.blocks, starts, strict=True):
            match = re.fullmatch(rf"{re.escape(block.path)}\.(\d+)\.(.+)", local)
            if match is not None and match[2] in block.weights:
                return start + int(match[1]), block.weights[match[2]]
        for pattern, weight in self.outside_weights(model.config).items():
            if re.fullmatch(pattern, local):
                return None, weight
        raise UnsupportedModelError(
            f"weight {name!r} of {type(model).__name__} is not described by family "
            f"{type(self).__name__}; add it to the family's table, so that it is cut and counted"
        )


def base_prefix(model: nn.Module) -> str:
    """Path of the base model with a trailing dot; empty where the model has no head around it."""
    prefix = getattr(model, "base_model_prefix", "")
    return f"{prefix}." if prefix and hasattr(model, prefix) else ""


def equal_layers(
    number: int, heads: int, key_value_heads: int, head_dim: int, ffn: int
) -> tuple[LayerShape, ...]:
    """Sizes of equal blocks."""
    layer = LayerShape(
        num_key_value_heads=key_value_heads,
        queries_per_head=heads // key_value_heads,
        head_dim=head_dim,
        intermediate_size=ffn,
    )
    return (layer,) * number


def sizes_of(full: LayerShape, units: LayerUnits) -> dict[Size, int]:
    """Sizes of a block that keeps these units; widths are heads times `head_dim`."""
    return {
        "num_attention_heads": units.num_attention_heads,
        "num_key_value_heads": count(units.heads),
        "num_key_value_groups": count(units.queries),
        "query_width": units.num_attention_heads * full.head_dim,
        "key_value_width": count(units.heads) * full.head_dim,
        "intermediate_size": count(units.ffn),
    }


def _segments(
    weight: Weight, full: LayerShape | None, shape: Sequence[int]
) -> tuple[tuple[Segment, ...], ...]:
    dims = [(dim,) if isinstance(dim, str) else dim for dim in weight.dims]
    return tuple(
        tuple(_segment(symbol, full, size) for symbol in symbols)
        for symbols, size in zip(dims, shape, strict=True)
    )


def _segment(symbol: Symbol, full: LayerShape | None, size: int) -> Segment:
    if symbol == "fixed":
        return Segment("fixed", size)
    if symbol in ("hidden", "ffn"):
        return Segment(symbol)
    assert full is not None, f"{symbol} lie in a block"
    if symbol == "head_scalars":
        return Segment("heads")
    return Segment("heads", 3 * full.head_dim) if symbol == "qkv" else Segment(symbol, full.head_dim)


def _tokens(weight: Weight, model: nn.Module) -> Tokens:
    """A head over the first token is one over all tokens where each token is classified."""
    is_each = type(model).__name__.endswith(_EACH_TOKEN)
    return "all" if weight.tokens == "first" and is_each else weight.tokens


def _check_sizes(model: nn.Module, shape: ModelShape) -> None:
    for name, parameter in model.named_parameters(remove_duplicate=False):
        layout = shape.by_name[name]
        said = tuple(sum(full_size(s, layout.layer, shape) for s in segments) for segments in layout.dims)
        if said != tuple(parameter.shape):
            raise UnsupportedModelError(
                f"weight {name!r} has shape {tuple(parameter.shape)}, but its config says {said}; "
                "only whole models of the stock classes can become supernets"
            )


def _check_ties(shape: ModelShape) -> None:
    """One memory can be cut and sorted in one way only."""
    for layout in shape.tensors:
        if layout.tied_to is not None:
            first = shape.by_name[layout.tied_to]
            if (first.layer, first.part, first.dims) != (layout.layer, layout.part, layout.dims):
                raise UnsupportedModelError(
                    f"weights {first.name!r} and {layout.name!r} share memory but lie on different axes or "
                    "in different sub-layers; untie them first"
                )
