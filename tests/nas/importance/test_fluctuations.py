"""Methods that join the inputs of output projections with their weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import nas
from nas.data import Batch
from nas.importance import importance_of
from nas.importance.base import Subject
from nas.importance.fluctuations import ALPHA, Gblm, InputMoments, standardised
from nas.tasks import task_of

MakeSubject = Callable[..., Subject]
MakeSupernet = Callable[..., nas.Supernet]
MakeBatch = Callable[..., Batch]
AsSubject = Callable[[nas.Supernet], Subject]
# Both ways are float64 sums of some hundred terms in different orders.
CLOSE = {"rtol": 1e-9, "atol": 1e-12}


def _inputs_of(subject: Subject, module: torch.nn.Module, batch: Batch) -> torch.Tensor:
    """What a module gets at real tokens, `(tokens, channels)`."""
    seen: list[torch.Tensor] = []
    handle = module.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    with torch.no_grad():
        subject.task.forward(subject.model, batch.inputs)
    handle.remove()
    return seen[0][batch.inputs["attention_mask"].bool()]


def test_moments_of_batches_are_those_of_all_tokens() -> None:
    generator = torch.Generator().manual_seed(0)
    x = 1e6 + torch.randn(7, 5, 3, generator=generator, dtype=torch.float64)
    mask = torch.rand(7, 5, generator=generator) < 0.7
    moments = InputMoments()
    for rows in (slice(0, 2), slice(2, 3), slice(3, 7)):
        moments.add(x[rows], mask[rows])
    tokens = x[mask]
    torch.testing.assert_close(moments.mean, tokens.mean(dim=0), rtol=1e-15, atol=0.0)
    torch.testing.assert_close(moments.variance, tokens.var(dim=0, correction=0), rtol=1e-6, atol=0.0)
    norms = (tokens.square().sum(dim=0) / 7).sqrt()
    torch.testing.assert_close(moments.norms, norms, rtol=1e-12, atol=0.0)


def test_a_batch_of_padding_alone_changes_no_moment() -> None:
    moments = InputMoments()
    moments.add(torch.ones(1, 2, 3), torch.ones(1, 2))
    moments.add(torch.full((1, 2, 3), 9.0), torch.zeros(1, 2))
    assert moments.mean.tolist() == [1.0, 1.0, 1.0]
    assert moments.variance.tolist() == [0.0, 0.0, 0.0]


def test_fluctuation_is_the_error_of_a_channel_replaced_by_its_mean(
    make_subject: MakeSubject, tiny_batch: Any
) -> None:
    subject, batch = make_subject(), tiny_batch()
    dense = subject.model.bert.encoder.layer[1].output.dense
    x = _inputs_of(subject, dense, batch)
    errors = []
    for channel in range(20):
        replaced = x.clone()
        replaced[:, channel] = x[:, channel].mean()
        errors.append(((x - replaced) @ dense.weight.T).square().sum(dim=1).mean().item())
    scores = importance_of("flap").score(subject, [batch])
    assert scores.ffn is not None
    np.testing.assert_allclose(scores.ffn[1], standardised(np.array(errors)), **CLOSE)


def test_flap_of_a_head_is_the_mean_of_its_standardised_channels(
    make_subject: MakeSubject, tiny_batch: Any
) -> None:
    subject, batch = make_subject(), tiny_batch()
    dense = subject.model.bert.encoder.layer[0].attention.output.dense
    x = _inputs_of(subject, dense, batch)
    metric = (x.var(dim=0, correction=0) * dense.weight.square().sum(dim=0)).detach().numpy()
    expected = ((metric - metric.mean()) / metric.std(ddof=1)).reshape(3, 8).mean(axis=1)
    scores = importance_of("flap").score(subject, [batch])
    assert scores.heads is not None
    np.testing.assert_allclose(scores.heads[0], expected, **CLOSE)


def test_equal_scores_are_standardised_to_zeros() -> None:
    assert standardised(np.full(4, 3.0)).tolist() == [0.0, 0.0, 0.0, 0.0]
    assert standardised(np.array([2.0])).tolist() == [0.0]


def test_wanda_sp_adds_weights_times_norms_of_their_input(make_subject: MakeSubject, tiny_batch: Any) -> None:
    subject, batch = make_subject(), tiny_batch()
    dense = subject.model.bert.encoder.layer[0].attention.output.dense
    norms = (_inputs_of(subject, dense, batch).square().sum(dim=0) / 4).sqrt()  # an example's, of 4
    expected = (dense.weight.abs() * norms).sum(dim=0).view(3, 8).sum(dim=1).detach()
    scores = importance_of("wanda_sp").score(subject, [batch])
    assert scores.heads is not None
    np.testing.assert_allclose(scores.heads[0], expected, **CLOSE)


def test_wanda_sp_scales_with_the_weights(make_subject: MakeSubject, tiny_batch: Any) -> None:
    subject, batch = make_subject(), tiny_batch()
    before = importance_of("wanda_sp").score(subject, [batch])
    with torch.no_grad():
        subject.model.bert.encoder.layer[2].output.dense.weight.mul_(3.0)
    after = importance_of("wanda_sp").score(subject, [batch])
    assert before.ffn is not None
    assert after.ffn is not None
    np.testing.assert_allclose(after.ffn[2], 3.0 * before.ffn[2], **CLOSE)


def test_both_attentions_of_a_decoder_count_for_their_shared_heads(
    tiny_supernet: MakeSupernet, labelled_batch: MakeBatch, as_subject: AsSubject
) -> None:
    supernet = tiny_supernet("t5", dtype="float64")
    subject, batch = as_subject(supernet), labelled_batch(supernet)
    before = importance_of("wanda_sp").score(subject, [batch])
    with torch.no_grad():
        supernet.model.decoder.block[1].layer[1].EncDecAttention.o.weight.zero_()
    after = importance_of("wanda_sp").score(subject, [batch])
    assert before.heads is not None
    assert after.heads is not None
    assert (after.heads[4] < before.heads[4]).all()
    assert (after.heads[4] > 0).all()


def test_projections_stored_transposed_are_read_by_input(
    tiny_supernet: MakeSupernet, labelled_batch: MakeBatch, as_subject: AsSubject
) -> None:
    supernet = tiny_supernet("gpt2", dtype="float64", n_inner=24)  # square: a mix-up would not fail
    subject, batch = as_subject(supernet), labelled_batch(supernet)
    projection = supernet.model.transformer.h[1].mlp.c_proj
    norms = (_inputs_of(subject, projection, batch).square().sum(dim=0) / 4).sqrt()
    scores = importance_of("wanda_sp").score(subject, [batch])
    assert scores.ffn is not None
    expected = (projection.weight.abs() * norms.unsqueeze(1)).sum(dim=1).detach()
    np.testing.assert_allclose(scores.ffn[1], expected, **CLOSE)


class _WithoutGradients(Gblm):
    name = "gblm_without_gradients"
    alpha = 0.0


@pytest.mark.parametrize("axis", ["heads", "ffn"])
def test_gblm_without_its_gradients_is_wanda_sp(
    axis: str, make_subject: MakeSubject, tiny_batch: Any
) -> None:
    subject, batches = make_subject(), [tiny_batch()]
    found = getattr(_WithoutGradients().score(subject, batches), axis)
    np.testing.assert_array_equal(found, getattr(importance_of("wanda_sp").score(subject, batches), axis))


def test_gblm_adds_norms_of_gradients_over_samples(make_subject: MakeSubject, tiny_batch: Any) -> None:
    subject, batches = make_subject(), [tiny_batch(seed=1), tiny_batch(seed=2)]
    dense = subject.model.bert.encoder.layer[0].output.dense
    squares = torch.zeros_like(dense.weight)
    for batch in batches:
        outputs = subject.model(**batch.inputs)
        loss = task_of("sequence-classification").loss(outputs, batch.labels, batch.inputs)
        squares += torch.autograd.grad(loss, dense.weight)[0].square()
    added = ALPHA * (dense.weight.abs() * squares.sqrt()).sum(dim=0).detach()
    wanda, found = (importance_of(name).score(subject, batches).ffn for name in ("wanda_sp", "gblm"))
    assert wanda is not None
    assert found is not None
    np.testing.assert_allclose(found[0], wanda[0] + added.numpy(), **CLOSE)


@pytest.mark.parametrize("name", ["flap", "wanda_sp", "contribution", "cosine_window", "angular_window"])
def test_padding_does_not_count(name: str, make_subject: MakeSubject, tiny_batch: Any) -> None:
    subject, batch = make_subject(), tiny_batch()
    other = batch.inputs["input_ids"].clone()
    other[batch.inputs["attention_mask"] == 0] = 7
    changed = replace(batch, inputs={**batch.inputs, "input_ids": other})
    found, expected = (importance_of(name).score(subject, [each]) for each in (changed, batch))
    for axis in importance_of(name).axes:
        np.testing.assert_allclose(getattr(found, axis), getattr(expected, axis), **CLOSE)
