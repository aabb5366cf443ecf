"""Importance of layers by removing them, one after another, and looking at what the model then gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from nas.errors import ConfigError
from nas.importance.base import CalibrationBatch, Cost, Importance, Scores, Subject
from nas.importance.depth import anchors, greedy_order, num_trials, positions
from nas.importance.hooks import eval_mode
from nas.progress import Progress, no_progress
from search_spaces import LayerUnits, ModelShape, SubnetConfig
from search_spaces.subnet import full_layer


class PerplexityDrop(Importance):
    """Each time the block goes without which the loss is smallest, given those that are gone already.

    The loss is the task's mean over calibration data, which for language models is the logarithm of the
    perplexity. The source also protects the first and the last block; here `depth.anchors` says which.
    """

    name = "ppl_drop"
    source = "Song et al. 2024, arXiv 2402.09025"
    axes = frozenset({"layers"})
    needs_labels = True
    passes = ("B (c(c + 1)/2 - 1), c of L blocks may go", "0")

    def cost(self, num_batches: int, shape: ModelShape) -> Cost:
        """A forward a batch for each block that may go, at each step."""
        return Cost(forward=num_batches * num_trials(len(_blocks(shape))))

    def score(
        self,
        subject: Subject,
        batches: Sequence[CalibrationBatch],
        *,
        seed: int = 0,
        progress: Progress = no_progress,
    ) -> Scores:
        """Score layers by when they are removed."""
        del seed
        shape = subject.shape

        def losses(gone: Sequence[int], left: Sequence[int]) -> list[float]:
            return [
                calibration_loss(subject, without_blocks(shape, [*gone, block]), batches) for block in left
            ]

        with eval_mode(subject.model), torch.no_grad():
            order = greedy_order(_blocks(shape), losses, progress=progress)
        return Scores(layers=positions([*order, *sorted(anchors(shape))]))


class FinerCut(Importance):
    """Each time the sub-layer goes without which the output is nearest to the full model's.

    The distance is the Jensen-Shannon divergence of the predicted distributions over real tokens; the squared
    difference where the model predicts no distribution. A layer's score is the mean of those of its
    attention and its feed-forward network.
    """

    name = "finercut"
    source = "Zhang et al. 2024, arXiv 2405.18218"
    axes = frozenset({"layers"})
    passes = ("B (c(c + 1)/2 + c - 2), c of 2 L sub-layers may go", "0")

    def cost(self, num_batches: int, shape: ModelShape) -> Cost:
        """At each step a forward a batch for each sub-layer that may go, and one of the full model."""
        number = len(_sublayers(shape))
        return Cost(forward=num_batches * (num_trials(number) + number - 1))

    def score(
        self,
        subject: Subject,
        batches: Sequence[CalibrationBatch],
        *,
        seed: int = 0,
        progress: Progress = no_progress,
    ) -> Scores:
        """Score sub-layers by when they are removed."""
        del seed
        shape = subject.shape

        def distances(gone: Sequence[int], left: Sequence[int]) -> list[float]:
            configs = [without_sublayers(shape, [*gone, sublayer]) for sublayer in left]
            return [float(distance) for distance in output_distances(subject, configs, batches)]

        with eval_mode(subject.model), torch.no_grad():
            order = greedy_order(_sublayers(shape), distances, progress=progress)
        sublayers = positions([*order, *sorted(2 * block for block in anchors(shape))])
        layers = sublayers.reshape(-1, 2).mean(axis=1)
        layers[sorted(anchors(shape))] = len(sublayers)
        return Scores(layers=layers, sublayers=sublayers)


def without_blocks(shape: ModelShape, gone: Sequence[int]) -> SubnetConfig:
    """The whole model without some blocks."""
    layers = (None if index in gone else full_layer(full) for index, full in enumerate(shape.layers))
    return SubnetConfig(hidden=shape.hidden_size, layers=tuple(layers))


def without_sublayers(shape: ModelShape, gone: Sequence[int]) -> SubnetConfig:
    """The whole model without some sub-layers: `2 * layer` is attention, `2 * layer + 1` feed-forward."""
    layers = tuple(
        LayerUnits(
            heads=0 if 2 * index in gone else full.num_key_value_heads,
            queries=full.queries_per_head,
            ffn=0 if 2 * index + 1 in gone else full.intermediate_size,
        )
        for index, full in enumerate(shape.layers)
    )
    return SubnetConfig(hidden=shape.hidden_size, layers=layers)


def calibration_loss(subject: Subject, config: SubnetConfig, batches: Sequence[CalibrationBatch]) -> float:
    """The task's loss of a sub-network, a mean over the counted items of all batches."""
    total, items = 0.0, 0
    with subject.active(config) as model:
        for batch in batches:
            assert batch.labels is not None, "a loss needs labels"
            labels = batch.labels.to(next(model.parameters()).device)
            outputs = subject.task.forward(model, batch.inputs)
            losses = subject.task.example_losses(outputs, labels, batch.inputs)
            total += float(losses.sums.sum())
            items += int(losses.counts.sum())
    return total / max(1, items)


def output_distances(
    subject: Subject, configs: Sequence[SubnetConfig], batches: Sequence[CalibrationBatch]
) -> np.ndarray:
    """Distance of each sub-network's output to the full model's, summed over real tokens, `(configs,)`.

    The full model runs once a batch: keeping its outputs would take a vocabulary's worth of memory a token.
    """
    distances = np.zeros(len(configs))
    for batch in batches:
        full = _outputs(subject, SubnetConfig.full(subject.shape), batch)
        for number, config in enumerate(configs):
            distances[number] += output_distance(_outputs(subject, config, batch), full)
    return distances


def output_distance(outputs: torch.Tensor, reference: torch.Tensor) -> float:
    """Jensen-Shannon divergence of logits `(items, classes)` in nats, summed over items.

    A single output is no distribution: its squared difference is taken instead.
    """
    if outputs.shape[-1] < 2:
        return float((outputs - reference).square().sum())
    log_p, log_q = (functional.log_softmax(logits, dim=-1) for logits in (outputs, reference))
    log_mean = torch.logaddexp(log_p, log_q) - np.log(2.0)
    both = (functional.kl_div(log_mean, log, log_target=True, reduction="sum") for log in (log_p, log_q))
    return float(sum(both)) / 2


def _outputs(subject: Subject, config: SubnetConfig, batch: CalibrationBatch) -> torch.Tensor:
    """What a sub-network predicts at real tokens, `(items, classes)`, in at least float32."""
    with subject.active(config) as model:
        outputs: Any = subject.task.forward(model, batch.inputs)
    values = _predictions(outputs)
    mask = _real_tokens(subject, batch)
    if mask is not None and mask.shape == values.shape[:2] and values.ndim > 2:
        values = values[mask.to(values.device)]
    values = values.reshape(-1, values.shape[-1])
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _predictions(outputs: Any) -> torch.Tensor:
    """Logits `(..., classes)`, or hidden states as single numbers `(..., 1)`."""
    if "logits" in outputs:
        logits: torch.Tensor = outputs.logits
        return logits
    if "last_hidden_state" not in outputs:
        raise ConfigError(
            "importance finercut needs a model that returns logits or last_hidden_state; this one returned "
            f"{type(outputs).__name__}. Rank layers by block_influence"
        )
    hidden: torch.Tensor = outputs.last_hidden_state
    return hidden.unsqueeze(-1)


def _real_tokens(subject: Subject, batch: CalibrationBatch) -> torch.Tensor | None:
    """Which outputs count: of a decoder behind an encoder those with a label."""
    if len(subject.shape.stacks) > 1:
        labels = batch.labels
        return labels.ge(0) if labels is not None and labels.ndim == 2 else None
    mask = batch.inputs.get("attention_mask")
    return None if mask is None else mask.bool()


def _blocks(shape: ModelShape) -> list[int]:
    """Blocks that may go."""
    return [index for index in range(shape.num_hidden_layers) if index not in anchors(shape)]


def _sublayers(shape: ModelShape) -> list[int]:
    """Sub-layers that may go: all but the attention of anchored blocks."""
    anchored = {2 * block for block in anchors(shape)}
    return [number for number in range(2 * shape.num_hidden_layers) if number not in anchored]
