"""Sums of something over all weights that are coupled to a unit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from nas.elastic import full_size
from nas.importance.base import Subject
from search_spaces import ModelShape, TensorLayout
from search_spaces.shape import Axis


class UnitSums:
    """Sums by unit of every axis, of a number for each element of each weight.

    An element counts for each unit that it belongs to: one of an FFN projection for a neuron, a channel and
    the layer.

    Attributes:
        hidden: `(hidden_size,)`.
        heads: for each layer `(num_attention_heads,)`; keys and values count for all their query heads.
        ffn: for each layer `(intermediate_size,)`.
        layers: `(num_hidden_layers,)`.
        sizes: weights of each layer, `(num_hidden_layers,)`.
    """

    def __init__(self, shape: ModelShape) -> None:
        self._shape = shape
        self.hidden = np.zeros(shape.hidden_size)
        self.heads = [np.zeros(full.num_attention_heads) for full in shape.layers]
        self.ffn = [np.zeros(full.intermediate_size) for full in shape.layers]
        self.layers = np.zeros(shape.num_hidden_layers)
        self.sizes = np.zeros(shape.num_hidden_layers)

    def add(self, layout: TensorLayout, elements: torch.Tensor) -> None:
        """Add the elements of one weight, of its shape."""
        elements, layer = elements.cpu(), layout.layer
        for axis, sums in _by_axis(layout, elements, self._shape):
            if axis == "hidden":
                self.hidden += sums
            elif axis == "queries" and layer is not None:
                self.heads[layer] += sums
            elif axis == "heads" and layer is not None:
                self.heads[layer] += np.repeat(sums, self._shape.layers[layer].queries_per_head)
            elif axis == "ffn" and layer is not None:
                self.ffn[layer] += sums
        if layer is not None:
            self.layers[layer] += float(elements.sum(dtype=torch.float64))
            self.sizes[layer] += elements.numel()


def own_weights(subject: Subject) -> Iterator[tuple[TensorLayout, torch.Tensor]]:
    """Each weight with its layout, in at least float32, one after another; tied weights once."""
    named = dict(subject.model.named_parameters(remove_duplicate=False))
    for layout in subject.shape.tensors:
        if layout.tied_to is None:
            yield layout, precise(named[layout.name].detach())


def precise(values: torch.Tensor) -> torch.Tensor:
    """At least float32, on the CPU."""
    return values.cpu().to(torch.promote_types(values.dtype, torch.float32))


def by_input(weight: torch.Tensor, layout: TensorLayout) -> torch.Tensor:
    """The weight of an output projection as `(inputs, hidden_size)`, also where it is stored transposed."""
    is_first = layout.dims[0][0].axis in ("queries", "ffn")
    return weight if is_first else weight.T


def _by_axis(
    layout: TensorLayout, elements: torch.Tensor, shape: ModelShape
) -> Iterator[tuple[Axis, np.ndarray]]:
    """Sums over everything that belongs to a unit, for each run of units in each dimension of a weight."""
    for dim, segments in enumerate(layout.dims):
        if all(segment.axis == "fixed" for segment in segments):
            continue
        others = [other for other in range(elements.ndim) if other != dim]
        sums = (elements.sum(dim=others, dtype=torch.float64) if others else elements.double()).numpy()
        start = 0
        for segment in segments:
            size = full_size(segment, layout.layer, shape)
            yield segment.axis, sums[start : start + size].reshape(-1, segment.size).sum(axis=1)
            start += size
