"""Where compensation is written: the projections that add a sub-layer's units to the residual stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from nas.elastic import cut
from nas.errors import UnsupportedModelError
from nas.families import base_prefix
from nas.supernet import Supernet
from search_spaces import ModelShape, SubnetConfig, TensorLayout
from search_spaces.shape import Part


@dataclass(frozen=True, kw_only=True)
class Projection:
    """The output projection of an attention or feed-forward sub-layer.

    Attributes:
        layer: index of its block.
        part: its sub-layer.
        path: of its module in the model.
        weight: layout of its weight.
        bias: layout of its bias, None where it has none.
        units_dim: dimension of the weight that the heads or neurons lie on.
    """

    layer: int
    part: Part
    path: str
    weight: TensorLayout
    bias: TensorLayout | None
    units_dim: int

    @property
    def group(self) -> int:
        """Inputs a unit: `head_dim` for heads, 1 for neurons."""
        return self.weight.dims[self.units_dim][0].size

    def module(self, model: nn.Module) -> nn.Module:
        """The module in a model."""
        return model.get_submodule(self.path)

    def oriented(self, weight: torch.Tensor) -> torch.Tensor:
        """A weight as `(hidden, units)`, or back: some modules store it the other way round."""
        return weight if self.units_dim == 1 else weight.T

    def kept_inputs(self, config: SubnetConfig, shape: ModelShape) -> torch.Tensor:
        """Places of the inputs that a canonical sub-network keeps, ascending."""
        return self._kept(self.units_dim, config, shape)

    def kept_outputs(self, config: SubnetConfig, shape: ModelShape) -> torch.Tensor:
        """Places of the kept residual channels, ascending."""
        return self._kept(1 - self.units_dim, config, shape)

    def _kept(self, dim: int, config: SubnetConfig, shape: ModelShape) -> torch.Tensor:
        segments = self.weight.dims[dim]
        full = shape.layers[self.layer]
        units = {"queries": full.num_attention_heads, "ffn": full.intermediate_size}
        units["hidden"] = shape.hidden_size
        places = torch.arange(sum(units[segment.axis] * segment.size for segment in segments))
        return cut(places, replace(self.weight, dims=(segments,)), config, shape)


def output_projections(supernet: Supernet) -> tuple[Projection, ...]:
    """Those of all blocks, in their order; of a decoder's block also that of attention to the encoder."""
    shape, family, prefix = supernet.shape, supernet.family, base_prefix(supernet.model)
    found: list[Projection] = []
    for stack in shape.stacks:
        for index in stack:
            block = family.block_of(shape, index)
            path = f"{prefix}{block.path}.{index - stack.start}."
            parts: list[tuple[Part, str]] = [("attention", name) for name in block.attention_outputs]
            for part, name in [*parts, ("ffn", block.ffn_output)]:
                found.append(_projection(shape, index, part, path + name))
    return tuple(found)


def check_biases(projections: Sequence[Projection], model_type: str, method: str) -> None:
    """Refuse a method that writes biases where a projection has none.

    Raises:
        UnsupportedModelError: with the methods that need none.
    """
    without = [projection for projection in projections if projection.bias is None]
    if without:
        raise UnsupportedModelError(
            f"compensation {method} writes a bias, which {without[0].path} of {model_type} does not have; "
            "use lstsq or mask_scale, or make the supernet with nas.add_output_biases(supernet) first"
        )


def _projection(shape: ModelShape, index: int, part: Part, path: str) -> Projection:
    weight = shape.by_name[f"{path}.weight"]
    axes = [segments[0].axis for segments in weight.dims]
    return Projection(
        layer=index,
        part=part,
        path=path,
        weight=weight,
        bias=shape.by_name.get(f"{path}.bias"),
        units_dim=0 if axes[1] == "hidden" else 1,
    )
