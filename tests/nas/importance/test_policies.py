"""Fixed orders of layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

import nas
from nas.importance import importance_of
from nas.importance.base import Subject
from nas.importance.policies import AlternatePolicy, BottomPolicy, LayerPolicy, SymmetricPolicy, TopPolicy
from nas.importance.ranking import best_first


@pytest.mark.parametrize(
    ("policy", "order"),
    [
        (TopPolicy(), [5, 4, 3, 2, 1, 0]),
        (BottomPolicy(), [0, 1, 2, 3, 4, 5]),
        (AlternatePolicy(), [5, 3, 1, 4, 2, 0]),
        (SymmetricPolicy(), [3, 2, 4, 1, 5, 0]),
    ],
)
def test_layers_go_in_the_order_of_the_policy(policy: LayerPolicy, order: list[int]) -> None:
    assert policy.order(6) == order


def test_dropping_an_even_number_in_the_middle_keeps_top_and_bottom_alike() -> None:
    order = SymmetricPolicy().order(12)
    for number in range(2, 12, 2):
        kept = set(range(12)) - set(order[:number])
        assert kept == {11 - layer for layer in kept}


def test_a_policy_becomes_scores_that_sort_to_its_order(make_subject: Callable[..., Subject]) -> None:
    layers = importance_of("alternate").score(make_subject(), ()).layers
    assert layers is not None
    assert best_first(layers)[::-1].tolist() == AlternatePolicy().order(3)


def test_stacks_lose_layers_in_proportion_and_keep_their_first(
    tiny_supernet: Callable[..., nas.Supernet], as_subject: Callable[[nas.Supernet], Subject]
) -> None:
    subject = as_subject(tiny_supernet("t5", num_layers=4, num_decoder_layers=2))
    layers = importance_of("bottom").score(subject, ()).layers
    assert layers is not None
    assert best_first(layers)[::-1].tolist()[:4] == [1, 2, 5, 3]
    assert set(best_first(layers)[:2].tolist()) == {0, 4}


def test_contribution_is_one_minus_the_cosine_of_mean_tokens(
    make_subject: Callable[..., Subject], tiny_batch: Any
) -> None:
    subject, batch = make_subject(), tiny_batch()
    with torch.no_grad():
        states = subject.model(**batch.inputs, output_hidden_states=True).hidden_states
    mask = batch.inputs["attention_mask"].unsqueeze(-1)
    means = [(state * mask).sum(dim=1) / mask.sum(dim=1) for state in states]
    expected = [1 - functional.cosine_similarity(means[i], means[i + 1], dim=-1).mean() for i in range(3)]
    layers = importance_of("contribution").score(subject, [batch]).layers
    np.testing.assert_allclose(layers, expected, rtol=1e-9, atol=1e-12)
