"""Importance from weights alone, and the random baseline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from nas.elastic import full_size
from nas.importance.base import CalibrationBatch, Importance, Scores, Subject
from search_spaces import ModelShape, TensorLayout
from search_spaces.shape import Axis


class Magnitude(Importance):
    """Root of the sum of squares over all weights coupled to a unit.

    Source: Li et al. 2017 (arXiv 1608.08710) for filters, over coupled groups as in Ma et al. 2023
    (LLM-Pruner). Layers are scored by the mean square of their weights.
    """

    name = "magnitude"
    axes = frozenset({"hidden", "heads", "ffn", "layers"})
    needs_batches = False

    def score(self, subject: Subject, batches: Sequence[CalibrationBatch], *, seed: int = 0) -> Scores:
        """Batches and seed are ignored."""
        del batches, seed
        shape = subject.shape
        hidden = np.zeros(shape.hidden_size)
        heads = [np.zeros(full.num_attention_heads) for full in shape.layers]
        ffn = [np.zeros(full.intermediate_size) for full in shape.layers]
        layers, sizes = np.zeros(shape.num_hidden_layers), np.zeros(shape.num_hidden_layers)
        for layout, squares in _squares(subject):
            for axis, sums in _sums_by_axis(layout, squares, shape):
                if axis == "hidden":
                    hidden += sums
                elif axis == "queries" and layout.layer is not None:
                    heads[layout.layer] += sums
                elif axis == "heads" and layout.layer is not None:
                    heads[layout.layer] += np.repeat(sums, shape.layers[layout.layer].queries_per_head)
                elif axis == "ffn" and layout.layer is not None:
                    ffn[layout.layer] += sums
            if layout.layer is not None:
                layers[layout.layer] += float(squares.sum(dtype=torch.float64))
                sizes[layout.layer] += squares.numel()
        return Scores(
            hidden=np.sqrt(hidden),
            heads=[np.sqrt(row) for row in heads],
            ffn=[np.sqrt(row) for row in ffn],
            layers=layers / sizes,
        )


class RandomImportance(Importance):
    """A random order: the baseline that every other method must beat."""

    name = "random"
    axes = frozenset({"hidden", "heads", "ffn", "layers"})
    needs_batches = False

    def score(self, subject: Subject, batches: Sequence[CalibrationBatch], *, seed: int = 0) -> Scores:
        """The same for the same seed, whatever the weights."""
        del batches
        generator = np.random.default_rng(seed)
        shape = subject.shape
        return Scores(
            hidden=generator.random(shape.hidden_size),
            heads=[generator.random(full.num_attention_heads) for full in shape.layers],
            ffn=[generator.random(full.intermediate_size) for full in shape.layers],
            layers=generator.random(shape.num_hidden_layers),
        )


def _sums_by_axis(
    layout: TensorLayout, squares: torch.Tensor, shape: ModelShape
) -> Iterator[tuple[Axis, np.ndarray]]:
    """Sums over everything that belongs to a unit, for each run of units in each dimension of a weight."""
    for dim, segments in enumerate(layout.dims):
        if all(segment.axis == "fixed" for segment in segments):
            continue
        others = [other for other in range(squares.ndim) if other != dim]
        sums = (squares.sum(dim=others, dtype=torch.float64) if others else squares.double()).numpy()
        start = 0
        for segment in segments:
            size = full_size(segment, layout.layer, shape)
            yield segment.axis, sums[start : start + size].reshape(-1, segment.size).sum(axis=1)
            start += size


def _squares(subject: Subject) -> Iterator[tuple[TensorLayout, torch.Tensor]]:
    """Each weight's layout with its squares in at least float32, one after another; tied weights once."""
    named = dict(subject.model.named_parameters(remove_duplicate=False))
    for layout in subject.shape.tensors:
        if layout.tied_to is None:
            weight = named[layout.name].detach().cpu()
            yield layout, weight.to(torch.promote_types(weight.dtype, torch.float32)).square()
