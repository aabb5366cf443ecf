"""Methods of first order against gradients of scales, taken another way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.func import functional_call
from torch.nn import functional

import nas
from nas.data import Batch
from nas.elastic import cut
from nas.importance import importance_of
from nas.importance.base import Scores, Subject
from nas.tasks import task_of
from search_spaces import LayerUnits, SubnetConfig

MakeSubject = Callable[..., Subject]
MakeSupernet = Callable[..., nas.Supernet]
MakeBatch = Callable[..., Batch]
AsSubject = Callable[[nas.Supernet], Subject]
# Both ways are float64 sums of some hundred terms in different orders.
CLOSE = {"rtol": 1e-8, "atol": 1e-11}


def _score(subject: Subject, name: str, batches: Any) -> Scores:
    return importance_of(name).score(subject, batches)


def _slope(supernet: nas.Supernet, batch: Batch, units: SubnetConfig, layer: int, axes: set[str]) -> float:
    """dL/da at 1 where `a` scales the elements that `units` keep of a layer's weights with these axes."""
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)
    weights = {}
    for name, weight in supernet.model.named_parameters():
        layout = supernet.shape.by_name[name]
        chosen = torch.zeros(weight.numel(), dtype=torch.bool)
        if layout.layer == layer and axes & {segment.axis for dim in layout.dims for segment in dim}:
            places = torch.arange(weight.numel()).view(weight.shape)
            chosen[cut(places, layout, units, supernet.shape).reshape(-1)] = True
        weights[name] = torch.where(chosen.view(weight.shape), weight * scale, weight)
    outputs = functional_call(supernet.model, weights, kwargs=dict(batch.inputs) | {"use_cache": False})
    loss = task_of(supernet.task).summed_loss(outputs, batch.labels, batch.inputs)
    (slope,) = torch.autograd.grad(loss, scale)
    return float(slope)


@pytest.mark.parametrize(("axis", "unit", "axes"), [("ffn", 3, {"ffn"}), ("heads", 1, {"heads", "queries"})])
def test_taylor_vector_is_the_slope_of_the_loss_by_scaling_a_group(
    axis: str,
    unit: int,
    axes: set[str],
    tiny_supernet: MakeSupernet,
    labelled_batch: MakeBatch,
    as_subject: AsSubject,
) -> None:
    supernet = tiny_supernet("llama", dtype="float64", num_key_value_heads=6)
    batch, full = labelled_batch(supernet), supernet.full.layers[1]
    assert full is not None
    group = LayerUnits(
        heads=(unit,) if axis == "heads" else full.heads, ffn=(unit,) if axis == "ffn" else full.ffn
    )
    units = SubnetConfig(hidden=supernet.shape.hidden_size, layers=(group,) * 3)
    slope = _slope(supernet, batch, units, 1, axes)
    scores = _score(as_subject(supernet), "taylor_vector", [batch])
    np.testing.assert_allclose(getattr(scores, axis)[1][unit], abs(slope), rtol=1e-5)  # norms are float32


@pytest.mark.parametrize("name", ["taylor_first", "taylor_vector"])
def test_taylor_of_a_neuron_sums_weight_times_gradient_over_its_group(
    name: str, make_subject: MakeSubject, tiny_batch: Any
) -> None:
    subject, batch = make_subject(), tiny_batch()
    subject.model.zero_grad()
    outputs = subject.model(**batch.inputs)
    functional.cross_entropy(outputs.logits, batch.labels, reduction="sum").backward()
    block = subject.model.bert.encoder.layer[2]
    dense, output = block.intermediate.dense, block.output.dense
    parts = [
        dense.weight[4] * dense.weight.grad[4],
        dense.bias[4:5] * dense.bias.grad[4:5],
        output.weight[:, 4] * output.weight.grad[:, 4],
    ]
    products = torch.cat([part.detach() for part in parts])
    expected = products.abs().sum() if name == "taylor_first" else products.sum().abs()
    subject.model.zero_grad()
    scores = _score(subject, name, [batch])
    assert scores.ffn is not None
    np.testing.assert_allclose(scores.ffn[2][4], expected, **CLOSE)


def test_taylor_adds_gradients_over_batches_before_it_takes_sizes(
    make_subject: MakeSubject, tiny_batch: Any
) -> None:
    subject, batch = make_subject(), tiny_batch()
    halves = [
        replace(
            batch,
            inputs={name: tensor[rows] for name, tensor in batch.inputs.items()},
            labels=batch.labels[rows],
            indices=batch.indices[rows],
        )
        for rows in (slice(0, 2), slice(2, 4))
    ]
    whole, apart = (_score(subject, "taylor_first", batches) for batches in ([batch], halves))
    np.testing.assert_allclose(apart.hidden, whole.hidden, **CLOSE)
    np.testing.assert_allclose(apart.layers, whole.layers, **CLOSE)


def test_taylor_mask_adds_sizes_of_mask_gradients_over_examples(
    make_subject: MakeSubject, tiny_batch: Any
) -> None:
    subject, batch = make_subject(), tiny_batch()
    heads, ffn = np.zeros((3, 3)), np.zeros((3, 20))
    for index in range(4):
        inputs = {name: tensor[index : index + 1] for name, tensor in batch.inputs.items()}
        subject.model.zero_grad()
        logits = subject.model(**inputs).logits
        functional.cross_entropy(logits, batch.labels[index : index + 1]).backward()
        for layer, block in enumerate(subject.model.bert.encoder.layer):
            # A mask of one scales the columns of the projection behind it: dL/dm = sum of W * dL/dW.
            attention, output = block.attention.output.dense.weight, block.output.dense.weight
            by_channel = (attention * attention.grad).detach().sum(dim=0)
            heads[layer] += by_channel.view(3, 8).sum(dim=1).abs().numpy()
            ffn[layer] += (output * output.grad).detach().sum(dim=0).abs().numpy()
    subject.model.zero_grad()
    scores = _score(subject, "taylor_mask", [batch])
    np.testing.assert_allclose(scores.heads, heads, **CLOSE)
    np.testing.assert_allclose(scores.ffn, ffn, **CLOSE)


def test_mask_gradients_reach_feed_forward_layers_that_see_all_tokens_in_a_row(
    tiny_supernet: MakeSupernet, labelled_batch: MakeBatch, as_subject: AsSubject
) -> None:
    supernet = tiny_supernet("opt", dtype="float64")
    batch = labelled_batch(supernet)
    task, layer = task_of(supernet.task), supernet.family.layers_of(supernet.model)[1]
    expected = np.zeros(24)
    for index in range(4):
        inputs = {name: tensor[index : index + 1] for name, tensor in batch.inputs.items()}
        outputs = task.forward(supernet.model, inputs)
        loss = task.summed_loss(outputs, batch.labels[index : index + 1], inputs)
        (gradient,) = torch.autograd.grad(loss, layer.fc2.weight)
        expected += (layer.fc2.weight * gradient).detach().sum(dim=0).square().numpy()
    scores = _score(as_subject(supernet), "fisher_diagonal", [batch])
    assert scores.ffn is not None
    np.testing.assert_allclose(scores.ffn[1], expected, **CLOSE)
