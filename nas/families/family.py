"""What a family description says, and how it becomes a `ModelShape`.

A family names weights and modules; slicing, ranking, cost and export are written once elsewhere.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import nn

from nas.elastic import full_size
from nas.errors import UnsupportedModelError
from search_spaces import LayerShape, LayerUnits, ModelShape, Segment, TensorLayout
from search_spaces.shape import Part, Tokens

Symbol = Literal["hidden", "heads", "queries", "ffn", "fixed"]


@dataclass(frozen=True, slots=True)
class Weight:
    """The axes of a weight's dimensions, in order.

    Attributes:
        dims: one symbol a dimension; `heads` and `queries` stand for that many times `head_dim`,
            `fixed` for a size that no sub-network changes.
        part: the residual sub-layer it is removed with.
        tokens: which tokens it multiplies, for the count of operations.
    """

    dims: tuple[Symbol, ...]
    part: Part | None = None
    tokens: Tokens = "none"


class Family(ABC):
    """Description of the architectures that share one layout.

    Attributes:
        model_types: transformers' `model_type` names.
        layers_path: the list of blocks, below the base model.
        layer_weights: every weight of a block by its path below the block.
        weights: every other weight by a pattern that its whole name, base prefix left out, must match.
        attention_output: module whose input is the concatenated heads, below a block.
        ffn_output: module whose input is the intermediate neurons, below a block.
        layer_norms: modules of a block that emit the normalised residual stream.
        norms: such modules outside the blocks, below the base model.
        has_head_dim: the stock config states `head_dim` on its own.
        is_causal: generates with a key-value cache.
    """

    model_types: ClassVar[tuple[str, ...]]
    layers_path: ClassVar[str]
    layer_weights: ClassVar[Mapping[str, Weight]]
    weights: ClassVar[Mapping[str, Weight]]
    attention_output: ClassVar[str]
    ffn_output: ClassVar[str]
    layer_norms: ClassVar[tuple[str, ...]]
    norms: ClassVar[tuple[str, ...]]
    has_head_dim: ClassVar[bool] = False
    is_causal: ClassVar[bool] = False

    @abstractmethod
    def layer_shape(self, config: Any, index: int) -> LayerShape:
        """Full sizes of a block."""

    @abstractmethod
    def removed(self, part: Part) -> Mapping[str, nn.Module]:
        """Stand-ins, by child name of a block, that turn a residual sub-layer into the identity."""

    @abstractmethod
    def attributes(self, full: LayerShape, units: LayerUnits) -> Mapping[str, Mapping[str, Any]]:
        """Plain attributes that a block's modules need for the kept units, by path below the block."""

    @abstractmethod
    def plain_sizes(self, config: Any, hidden_size: int, units: LayerUnits) -> Mapping[str, Any]:
        """Entries that a full model's config needs where all blocks keep these units."""

    def describe(self, model: nn.Module) -> ModelShape:
        """Lay every weight of a model on its axes.

        Raises:
            UnsupportedModelError: a weight that the family does not name, so that none is left unpruned
                in silence, that has another size than the config says, or that is tied across axes.
        """
        config: Any = model.config
        layers = tuple(self.layer_shape(config, index) for index in range(config.num_hidden_layers))
        prefix = base_prefix(model)
        first_name: dict[int, str] = {}
        tensors = []
        for name, parameter in model.named_parameters(remove_duplicate=False):
            tied_to = first_name.get(id(parameter))
            first_name.setdefault(id(parameter), name)
            index, weight = self._find(name, prefix, config)
            full = None if index is None else layers[index]
            dims = tuple(
                (_segment(symbol, full, size),)
                for symbol, size in zip(weight.dims, parameter.shape, strict=True)
            )
            tensors.append(
                TensorLayout(
                    name=name, dims=dims, layer=index, part=weight.part, tokens=weight.tokens, tied_to=tied_to
                )
            )
        shape = ModelShape(
            model_type=config.model_type,
            hidden_size=config.hidden_size,
            layers=layers,
            tensors=tuple(tensors),
            has_head_dim=self.has_head_dim,
            is_causal=self.is_causal,
            embedding_size=self.embedding_size(config),
        )
        _check_sizes(model, shape)
        _check_ties(shape)
        return shape

    def embedding_size(self, config: Any) -> int | None:
        """Width of embeddings that a projection turns into `hidden_size`; None without a projection."""
        del config
        return None

    def outside_weights(self, config: Any) -> Mapping[str, Weight]:
        """Patterns of the weights outside the blocks for one config."""
        del config
        return self.weights

    def layers_of(self, model: nn.Module) -> nn.ModuleList:
        """The list of blocks."""
        blocks = model.get_submodule(base_prefix(model) + self.layers_path)
        assert isinstance(blocks, nn.ModuleList)
        return blocks

    def norms_of(self, model: nn.Module) -> list[nn.Module]:
        """Every module that emits the normalised residual stream."""
        outer = [model.get_submodule(base_prefix(model) + path) for path in self.norms]
        inner = [block.get_submodule(path) for block in self.layers_of(model) for path in self.layer_norms]
        return outer + inner

    def _find(self, name: str, prefix: str, config: Any) -> tuple[int | None, Weight]:
        local = name.removeprefix(prefix)
        match = re.fullmatch(rf"{re.escape(self.layers_path)}\.(\d+)\.(.+)", local)
        if match is not None and match[2] in self.layer_weights:
            return int(match[1]), self.layer_weights[match[2]]
        if match is None:
            for pattern, weight in self.outside_weights(config).items():
                if re.fullmatch(pattern, local):
                    return None, weight
        raise UnsupportedModelError(
            f"weight {name!r} of {type(config).__name__} is not described by family "
            f"{type(self).__name__}; add it to the family's table, so that it is cut and counted"
        )


def base_prefix(model: nn.Module) -> str:
    """Path of the base model with a trailing dot; empty where the model has no head around it."""
    prefix = getattr(model, "base_model_prefix", "")
    return f"{prefix}." if prefix and hasattr(model, prefix) else ""


def _segment(symbol: Symbol, full: LayerShape | None, size: int) -> Segment:
    if symbol == "fixed":
        return Segment("fixed", size)
    if symbol in ("heads", "queries"):
        assert full is not None, f"{symbol} lie in a block"
        return Segment(symbol, full.head_dim)
    return Segment(symbol)


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
