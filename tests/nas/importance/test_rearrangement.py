"""Orders of removal whose gradients cancel out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.importance import importance_of
from nas.importance.base import Subject
from nas.importance.masks import rearranged_heads
from nas.importance.ranking import best_first, order_heads
from nas.importance.rearrangement import handed_out, removal_norms, removal_order, swapped
from search_spaces import LayerShape, ModelShape

MakeSubject = Callable[..., Subject]


@st.composite
def gradients(draw: st.DrawFn, units: int = 8) -> np.ndarray:
    """Random gradients `(examples, units)`, of which some nearly cancel each other."""
    generator = np.random.default_rng(draw(st.integers(0, 10_000)))
    values = generator.normal(size=(draw(st.integers(1, 6)), units))
    values[:, 1] = -values[:, 0] + 0.01 * generator.normal(size=len(values))
    return values


def _diagonal(values: np.ndarray) -> np.ndarray:
    return np.argsort(np.square(values).sum(axis=0), kind="stable")


@given(values=gradients())
def test_an_order_is_never_worse_than_the_diagonal(values: np.ndarray) -> None:
    order = removal_order(values)
    assert sorted(order) == list(range(8))
    found, diagonal = (removal_norms(values, each).sum() for each in (order, _diagonal(values)))
    assert found <= diagonal * (1 + 1e-12)


def test_units_whose_gradients_cancel_out_go_together() -> None:
    values = np.array([[3.0, 1.0, -3.1, 3.0], [3.0, 1.0, -3.1, -3.01]])
    assert removal_order(values).tolist() == [1, 2, 0, 3]
    assert _diagonal(values).tolist() == [1, 0, 3, 2]


def test_norms_are_those_of_sums_of_prefixes() -> None:
    values = np.array([[1.0, 2.0, -3.0], [0.0, 1.0, 1.0]])
    assert removal_norms(values, np.array([2, 0, 1])).tolist() == [10.0, 5.0, 4.0]


@given(values=gradients(), pruned=st.sets(st.integers(0, 7)))
def test_a_swapped_set_has_the_same_size_and_no_longer_a_sum(values: np.ndarray, pruned: set[int]) -> None:
    found = swapped(values, sorted(pruned))
    assert len(set(found)) == len(found) == len(pruned)
    before, after = (np.square(values[:, list(s)].sum(axis=1)).sum() for s in (pruned, found))
    assert after <= before * (1 + 1e-9) + 1e-12


def test_a_swap_brings_in_the_unit_that_cancels_the_others() -> None:
    values = np.array([[3.0, 1.0, -3.0], [3.0, 1.0, -3.0]])
    assert swapped(values, [0, 1]) == (0, 2)


@given(values=gradients())
def test_handed_out_scores_are_the_same_in_another_order(values: np.ndarray) -> None:
    scores, order = np.square(values).sum(axis=0), removal_order(values)
    given_out = handed_out(scores, order)
    assert sorted(given_out) == sorted(scores)
    assert best_first(given_out).tolist() == order[::-1].tolist()


@given(values=gradients(units=12))
def test_key_value_heads_and_their_query_heads_follow_orders_of_their_own(values: np.ndarray) -> None:
    grouped = values.reshape(-1, 4, 3)
    full = LayerShape(num_key_value_heads=4, queries_per_head=3, head_dim=1, intermediate_size=1)
    shape = ModelShape(model_type="llama", hidden_size=1, layers=(full,), tensors=())
    scores = rearranged_heads(grouped, grouped)
    heads, queries = order_heads([scores], shape)
    assert heads[0].tolist() == removal_order(grouped.sum(axis=2))[::-1].tolist()
    for head in range(4):
        assert queries[0][head].tolist() == removal_order(grouped[:, head])[::-1].tolist()
    np.testing.assert_allclose(scores.sum(), np.square(values).sum())


@pytest.mark.parametrize("axis", ["heads", "ffn"])
def test_fisher_mask_hands_out_the_scores_of_the_diagonal(
    axis: str, make_subject: MakeSubject, tiny_batch: Any
) -> None:
    subject, batches = make_subject(), [tiny_batch(seed=seed) for seed in range(3)]
    diagonal, found = (
        getattr(importance_of(name).score(subject, batches), axis)
        for name in ("fisher_diagonal", "fisher_mask")
    )
    for before, after in zip(diagonal, found, strict=True):
        np.testing.assert_allclose(np.sort(after), np.sort(before), rtol=1e-12)
    assert any((best_first(a) != best_first(b)).any() for a, b in zip(diagonal, found, strict=True))


def test_fisher_does_not_depend_on_the_batch_size(make_subject: MakeSubject, tiny_batch: Any) -> None:
    subject, batch = make_subject(), tiny_batch()
    rows = [
        type(batch)(
            inputs={name: tensor[i : i + 1] for name, tensor in batch.inputs.items()},
            labels=batch.labels[i : i + 1],
            indices=batch.indices[i : i + 1],
        )
        for i in range(4)
    ]
    together, apart = (importance_of("fisher_mask").score(subject, batches) for batches in ([batch], rows))
    np.testing.assert_allclose(apart.ffn, together.ffn, rtol=1e-9)
    np.testing.assert_allclose(apart.heads, together.heads, rtol=1e-9)
