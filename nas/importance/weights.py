"""Importance from weights alone, and the random baseline."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from nas.importance.base import CalibrationBatch, Importance, Scores, Subject
from search_spaces import TensorLayout


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
        depth, first = shape.num_hidden_layers, shape.layers[0]
        hidden = np.zeros(shape.hidden_size)
        heads = np.zeros((depth, first.num_attention_heads))
        ffn = np.zeros((depth, first.intermediate_size))
        layers, sizes = np.zeros(depth), np.zeros(depth)
        for layout, squares in _squares(subject):
            for dim, segments in enumerate(layout.dims):
                segment = segments[0]
                sums = squares.movedim(dim, 0).reshape(squares.shape[dim], -1).sum(dim=1).numpy()
                if segment.axis == "hidden":
                    hidden += sums
                elif segment.axis == "queries" and layout.layer is not None:
                    heads[layout.layer] += sums.reshape(-1, segment.size).sum(axis=1)
                elif segment.axis == "heads" and layout.layer is not None:
                    per_head = sums.reshape(-1, segment.size).sum(axis=1)
                    heads[layout.layer] += np.repeat(per_head, shape.layers[layout.layer].queries_per_head)
                elif segment.axis == "ffn" and layout.layer is not None:
                    ffn[layout.layer] += sums
            if layout.layer is not None:
                layers[layout.layer] += float(squares.sum())
                sizes[layout.layer] += squares.numel()
        return Scores(hidden=np.sqrt(hidden), heads=np.sqrt(heads), ffn=np.sqrt(ffn), layers=layers / sizes)


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
        depth, first = shape.num_hidden_layers, shape.layers[0]
        return Scores(
            hidden=generator.random(shape.hidden_size),
            heads=generator.random((depth, first.num_attention_heads)),
            ffn=generator.random((depth, first.intermediate_size)),
            layers=generator.random(depth),
        )


def _squares(subject: Subject) -> list[tuple[TensorLayout, torch.Tensor]]:
    """Each weight's layout with its squares in float64; tied weights once."""
    named = dict(subject.model.named_parameters(remove_duplicate=False))
    return [
        (layout, named[layout.name].detach().to("cpu", torch.float64) ** 2)
        for layout in subject.shape.tensors
        if layout.tied_to is None
    ]
