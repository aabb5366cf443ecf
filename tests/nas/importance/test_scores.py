"""Each method against its formula, computed another way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from nas.importance import importance_of, known_importances
from nas.importance.base import Scores, Subject

MakeSubject = Callable[..., Subject]
KINDS = ["bert", "roberta", "electra", "electra_projected"]
# Both ways are float64 sums of some hundred terms in different orders.
CLOSE = {"rtol": 1e-9, "atol": 1e-12}


def _score(subject: Subject, name: str, batches: Any = (), seed: int = 0) -> Scores:
    return importance_of(name).score(subject, batches, seed=seed)


def _row(batch: Any, index: int, length: int | None = None) -> Any:
    """One example of a batch, cut to its first tokens."""
    rows = slice(index, index + 1)
    inputs = {name: tensor[rows, :length] for name, tensor in batch.inputs.items()}
    return replace(batch, inputs=inputs, labels=batch.labels[rows], indices=batch.indices[rows])


def _lengths(batch: Any) -> list[int]:
    lengths: list[int] = batch.inputs["attention_mask"].sum(dim=1).tolist()
    return lengths


@pytest.mark.parametrize("kind", KINDS)
def test_fisher_equals_squared_gradients_of_masks_example_by_example(
    kind: str, make_subject: MakeSubject, tiny_batch: Any
) -> None:
    subject, batch = make_subject(kind), tiny_batch()
    heads, ffn = np.zeros((3, 3)), np.zeros((3, 20))
    for index in range(4):
        example = _row(batch, index)
        subject.model.zero_grad()
        functional.cross_entropy(subject.model(**example.inputs).logits, example.labels).backward()
        for layer, block in enumerate(subject.model.base_model.encoder.layer):
            # A mask of one scales the columns of the projection behind it: dL/dm = sum of W * dL/dW.
            attention, output = block.attention.output.dense.weight, block.output.dense.weight
            by_channel = (attention * attention.grad).detach().sum(dim=0)
            heads[layer] += by_channel.view(3, 8).sum(dim=1).square().numpy()
            ffn[layer] += (output * output.grad).detach().sum(dim=0).square().numpy()
    subject.model.zero_grad()
    scores = _score(subject, "fisher_diagonal", [batch])
    np.testing.assert_allclose(scores.heads, heads, **CLOSE)
    np.testing.assert_allclose(scores.ffn, ffn, **CLOSE)


def test_fisher_does_not_depend_on_the_batch_size(make_subject: MakeSubject, tiny_batch: Any) -> None:
    subject, batch = make_subject(), tiny_batch()
    together = _score(subject, "fisher_diagonal", [batch])
    apart = _score(subject, "fisher_diagonal", [_row(batch, index) for index in range(4)])
    np.testing.assert_allclose(apart.heads, together.heads, **CLOSE)
    np.testing.assert_allclose(apart.ffn, together.ffn, **CLOSE)


def test_fisher_of_a_regression_takes_the_squared_error(make_subject: MakeSubject, tiny_batch: Any) -> None:
    subject = make_subject(num_labels=1)
    batch = replace(tiny_batch(), labels=torch.tensor([0.5, -1.0, 2.0, 0.0]))
    score = _score(subject, "fisher_diagonal", [_row(batch, 0)]).ffn
    subject.model.zero_grad()
    (subject.model(**_row(batch, 0).inputs).logits.squeeze() - 0.5).square().backward()
    weight = subject.model.bert.encoder.layer[0].output.dense.weight
    assert score is not None
    np.testing.assert_allclose(score[0], (weight * weight.grad).detach().sum(dim=0).square(), **CLOSE)


def test_fisher_works_in_bfloat16(make_subject: MakeSubject, tiny_batch: Any) -> None:
    scores = _score(make_subject(dtype="bfloat16"), "fisher_diagonal", [tiny_batch()])
    assert scores.heads is not None
    assert all((row > 0).all() for row in scores.heads)


@pytest.mark.parametrize("name", ["fisher_diagonal", "minitron"])
def test_squares_of_scores_add_up_over_batches(name: str, make_subject: MakeSubject, tiny_batch: Any) -> None:
    subject = make_subject()
    first, second = tiny_batch(seed=1), tiny_batch(seed=2, length=5)
    power = 2 if name == "minitron" else 1  # fisher_diagonal is a sum of squares already
    for axis in ("heads", "ffn"):
        one, other, both = (
            np.stack(getattr(_score(subject, name, batches), axis)) ** power
            for batches in ([first], [second], [first, second])
        )
        np.testing.assert_allclose(one + other, both, **CLOSE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["fisher_mask", "minitron", "block_influence"])
def test_padding_does_not_count(name: str, kind: str, make_subject: MakeSubject, tiny_batch: Any) -> None:
    subject, batch = make_subject(kind), tiny_batch()
    assert len(set(_lengths(batch))) > 1
    padded = _score(subject, name, [batch])
    bare = _score(subject, name, [_row(batch, i, length) for i, length in enumerate(_lengths(batch))])
    for axis in importance_of(name).axes:
        np.testing.assert_allclose(getattr(bare, axis), getattr(padded, axis), **CLOSE)


def test_minitron_scores_neurons_and_heads_by_their_mean_activation(
    make_subject: MakeSubject, tiny_batch: Any
) -> None:
    subject, batch = make_subject(), tiny_batch()
    seen: dict[str, torch.Tensor] = {}
    block = subject.model.bert.encoder.layer[1]
    handles = [
        block.intermediate.register_forward_hook(lambda *a: seen.update(ffn=a[-1])),
        block.attention.self.register_forward_hook(lambda *a: seen.update(heads=a[-1][0])),
    ]
    with torch.no_grad():
        subject.model(**batch.inputs)
    for handle in handles:
        handle.remove()
    means = {}
    for name, x in seen.items():
        rows = [row[:length].abs().mean(dim=0) for row, length in zip(x, _lengths(batch), strict=True)]
        means[name] = torch.stack(rows)
    scores = _score(subject, "minitron", [batch])
    assert scores.ffn is not None
    assert scores.heads is not None
    np.testing.assert_allclose(scores.ffn[1], means["ffn"].norm(dim=0), **CLOSE)
    np.testing.assert_allclose(scores.heads[1], means["heads"].view(4, 3, 8).norm(dim=(0, 2)), **CLOSE)


def test_minitron_scores_channels_over_all_norms(make_subject: MakeSubject, tiny_batch: Any) -> None:
    subject, batch = make_subject(), _row(tiny_batch(), 0)
    outputs: list[torch.Tensor] = []
    norms = [m for m in subject.model.modules() if isinstance(m, nn.LayerNorm)]
    handles = [norm.register_forward_hook(lambda *a: outputs.append(a[-1])) for norm in norms]
    with torch.no_grad():
        subject.model(**batch.inputs)
    for handle in handles:
        handle.remove()
    assert len(outputs) == 7
    expected = sum(output.abs().mean(dim=1).squeeze(0) for output in outputs)
    np.testing.assert_allclose(_score(subject, "minitron", [batch]).hidden, expected, **CLOSE)


@pytest.mark.parametrize("name", ["block_influence", "minitron"])
def test_influence_is_one_minus_the_mean_cosine_over_real_tokens(
    name: str, make_subject: MakeSubject, tiny_batch: Any
) -> None:
    subject, batch = make_subject(), tiny_batch()
    with torch.no_grad():
        states = subject.model(**batch.inputs, output_hidden_states=True).hidden_states
    mask = batch.inputs["attention_mask"].bool()
    expected = [
        1 - functional.cosine_similarity(before, after, dim=-1)[mask].mean()
        for before, after in pairwise(states)
    ]
    np.testing.assert_allclose(_score(subject, name, [batch]).layers, expected, **CLOSE)


def test_the_influence_of_an_identity_block_is_zero(make_subject: MakeSubject, tiny_batch: Any) -> None:
    subject = make_subject()
    block = subject.model.bert.encoder.layer[1]
    block.register_forward_hook(lambda _, args, __: args[0])
    layers = _score(subject, "block_influence", [tiny_batch()]).layers
    assert layers is not None
    assert abs(layers[1]) < 1e-14
    assert layers[0] > 1e-3
    assert layers[2] > 1e-3


def test_magnitude_is_the_norm_of_all_weights_coupled_to_a_unit(make_subject: MakeSubject) -> None:
    subject = make_subject()
    block = subject.model.bert.encoder.layer[0]
    dense = block.intermediate.dense
    neuron = [dense.weight[4], dense.bias[4:5], block.output.dense.weight[:, 4]]
    attention = block.attention
    head = [attention.output.dense.weight[:, 8:16]]
    for projection in (attention.self.query, attention.self.key, attention.self.value):
        head += [projection.weight[8:16], projection.bias[8:16]]
    scores = _score(subject, "magnitude_l2")
    for found, weights in ((scores.ffn[0][4], neuron), (scores.heads[0][1], head)):  # type: ignore[index]
        expected = torch.cat([weight.detach().reshape(-1) for weight in weights]).norm()
        np.testing.assert_allclose(found, expected, **CLOSE)


def test_magnitude_of_a_channel_covers_embeddings_blocks_and_head(make_subject: MakeSubject) -> None:
    subject = make_subject()
    with torch.no_grad():
        for parameter in subject.model.parameters():
            parameter.zero_()
        subject.model.bert.embeddings.word_embeddings.weight[3, 6] = 3.0
        subject.model.bert.pooler.dense.bias[6] = 4.0
        subject.model.classifier.weight[1, 7] = 2.0
    hidden = _score(subject, "magnitude_l2").hidden
    assert hidden is not None
    assert {int(i): float(hidden[i]) for i in hidden.nonzero()[0]} == {6: 5.0, 7: 2.0}


def test_random_scores_depend_on_the_seed_alone(make_subject: MakeSubject) -> None:
    first, other = make_subject(seed=1), make_subject(seed=2)
    for axis in importance_of("random").axes:
        same = getattr(_score(first, "random", seed=4), axis)
        assert np.array_equal(same, getattr(_score(other, "random", seed=4), axis))
        assert not np.array_equal(same, getattr(_score(first, "random", seed=5), axis))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", known_importances())
def test_scores_have_a_row_a_layer_and_exactly_the_promised_axes(
    name: str, kind: str, make_subject: MakeSubject, tiny_batch: Any
) -> None:
    scores = _score(make_subject(kind), name, [tiny_batch()])
    shapes = {"hidden": (24,), "heads": (3, 3), "ffn": (3, 20), "layers": (3,)}
    for axis, shape in shapes.items():
        values = getattr(scores, axis)
        assert (values is not None) == (axis in importance_of(name).axes)
        assert values is None or np.shape(values) == shape


@pytest.mark.parametrize("name", known_importances())
def test_scoring_leaves_the_model_as_it_was(name: str, make_subject: MakeSubject, tiny_batch: Any) -> None:
    subject = make_subject()
    model = subject.model.train()
    config = model.config.to_dict()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    _score(subject, name, [tiny_batch()])
    assert all(module.training for module in model.modules())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert model.config.to_dict() == config
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize(
    "name", ["fisher_mask", "minitron", "block_influence", "gblm", "ppl_drop", "finercut"]
)
def test_hooks_and_mode_are_restored_when_the_forward_fails(
    name: str, make_subject: MakeSubject, tiny_batch: Any
) -> None:
    subject = make_subject()
    subject.model.train()
    broken = replace(tiny_batch(), inputs={"input_ids": torch.full((4, 7), 1000)})
    with pytest.raises(IndexError):
        _score(subject, name, [broken])
    modules = list(subject.model.modules())
    assert all(module.training for module in modules)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in modules)
