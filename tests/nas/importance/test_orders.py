"""From scores to orders, and what is refused on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nas.errors import ConfigError
from nas.importance import importance_of, known_importances, rank_units
from nas.importance.base import Subject
from nas.importance.ranking import best_first, order_heads
from nas.supernet import Supernet
from nas.tasks import task_of
from search_spaces import LayerShape, ModelShape

MakeSubject = Callable[..., Subject]

GROUPED = ModelShape(
    model_type="llama",
    hidden_size=8,
    layers=(LayerShape(num_key_value_heads=3, queries_per_head=2, head_dim=2, intermediate_size=5),),
    tensors=(),
)


def _rank(subject: Subject, importance: Any, batches: Any = (), **options: Any) -> Any:
    return rank_units(subject, importance, batches, layer_order=(0, 1, 2), **options)


def test_the_best_come_first_and_equals_keep_their_order() -> None:
    assert best_first(np.array([1.0, 3.0, 1.0, 3.0, 2.0])).tolist() == [1, 3, 4, 0, 2]


@given(scores=st.lists(st.integers(0, 5), min_size=6, max_size=6))
def test_query_heads_never_leave_their_key_value_head(scores: list[int]) -> None:
    values = np.array([scores], dtype=np.float64)
    heads, queries = order_heads(values, GROUPED)
    assert sorted(heads[0]) == [0, 1, 2]
    assert queries[0].shape == (3, 2)
    assert all(sorted(row) == [0, 1] for row in queries[0])
    grouped = values.reshape(3, 2)
    sums = grouped.sum(axis=1)[heads[0]]
    assert (np.diff(sums) <= 0).all()
    assert all((np.diff(row[order]) <= 0).all() for row, order in zip(grouped, queries[0], strict=True))


def test_a_zeroed_neuron_and_head_score_zero_and_come_last(make_subject: MakeSubject) -> None:
    subject = make_subject()
    block = subject.model.bert.encoder.layer[1]
    with torch.no_grad():
        block.intermediate.dense.weight[5] = 0
        block.intermediate.dense.bias[5] = 0
        block.output.dense.weight[:, 5] = 0
        for projection in (block.attention.self.query, block.attention.self.key, block.attention.self.value):
            projection.weight[:8] = 0
            projection.bias[:8] = 0
        block.attention.output.dense.weight[:, :8] = 0
    scores = importance_of("magnitude_l2").score(subject, ())
    assert scores.ffn is not None
    assert scores.heads is not None
    assert scores.ffn[1][5] == scores.heads[1][0] == 0
    orders = _rank(subject, "magnitude_l2").orders
    assert orders.ffn[1][-1] == 5
    assert orders.heads[1][-1] == 0


@pytest.mark.parametrize("name", [name for name in known_importances() if name != "random"])
def test_scores_move_with_their_units(name: str, tiny_model: Any, tiny_batch: Any) -> None:
    supernet = Supernet.from_model(tiny_model(dtype="float64"))
    subject = Subject(
        model=supernet.model,
        shape=supernet.shape,
        family=supernet.family,
        task=task_of(supernet.task),
        active=supernet.active,
    )
    method, batches = importance_of(name), [tiny_batch()]
    before = method.score(subject, batches)
    orders = supernet.rank("random", seed=13).orders
    after = method.score(subject, batches)
    close = {"rtol": 1e-9, "atol": 1e-12}  # float64 sums in another order
    for found, expected, order in (
        (after.ffn, before.ffn, orders.ffn),
        (after.heads, before.heads, orders.heads),
    ):
        for layer in range(3 if expected is not None else 0):
            np.testing.assert_allclose(found[layer], expected[layer][order[layer]], **close)  # type: ignore[index]
    if before.hidden is not None:
        np.testing.assert_allclose(after.hidden, before.hidden[orders.hidden], **close)
    if before.layers is not None:  # layers never move
        np.testing.assert_allclose(after.layers, before.layers, **close)


def test_ranking_twice_by_the_same_scores_moves_nothing(tiny_model: Any) -> None:
    supernet = Supernet.from_model(tiny_model())
    supernet.rank("magnitude_l2")
    before = supernet.sha256
    supernet.rank("magnitude_l2")
    assert supernet.sha256 == before


def test_default_takes_the_best_method_of_each_axis(make_subject: MakeSubject, tiny_batch: Any) -> None:
    methods = _rank(make_subject(), "default", [tiny_batch()]).methods
    assert methods == {
        "hidden": "minitron",
        "heads": "fisher_mask",
        "ffn": "fisher_mask",
        "layers": "block_influence",
    }


def test_a_method_ranks_every_axis_that_it_scores(make_subject: MakeSubject, tiny_batch: Any) -> None:
    ranking = _rank(make_subject(), "fisher_mask", [tiny_batch()])
    assert set(ranking.methods) == {"heads", "ffn"}
    assert ranking.orders.hidden is None
    assert ranking.layer_order == (0, 1, 2)


@pytest.mark.parametrize(
    ("importance", "message"),
    [
        ("magnitude_12", "unknown importance 'magnitude_12'; allowed are .*; did you mean magnitude_l2?"),
        ("default", "importance .* needs calibration data; give batches, or choose magnitude_l2"),
        ({"neurons": "magnitude_l2"}, "unknown axis 'neurons' in importance; allowed are hidden, heads"),
        ({"hidden": "fisher_mask"}, "fisher_mask does not score hidden; it scores ffn, heads"),
        ({"layers": "taylor"}, "unknown importance 'taylor'"),
        ("minitron", "importance minitron needs calibration data"),
    ],
)
def test_a_wrong_importance_is_refused_with_what_is_allowed(
    importance: Any, message: str, make_subject: MakeSubject
) -> None:
    with pytest.raises(ConfigError, match=message):
        _rank(make_subject(), importance)


def test_fisher_without_labels_is_refused(make_subject: MakeSubject, tiny_batch: Any) -> None:
    batches = [tiny_batch(), replace(tiny_batch(), labels=None)]
    with pytest.raises(ConfigError, match="importance fisher_mask needs labelled calibration data"):
        _rank(make_subject(), "fisher_mask", batches)


def test_scores_that_are_not_finite_are_refused_by_method_and_axis(make_subject: MakeSubject) -> None:
    subject = make_subject()
    with torch.no_grad():
        subject.model.bert.encoder.layer[0].output.dense.weight[0, 0] = torch.nan
    with pytest.raises(ConfigError, match="importance magnitude_l2 of hidden is not finite"):
        _rank(subject, "magnitude_l2")
