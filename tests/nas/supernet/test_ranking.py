"""Ranking moves units and layers' order, never the function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from nas.elastic import AxisOrders, permute
from nas.errors import ConfigError
from nas.importance import known_importances
from nas.supernet import Supernet
from search_spaces import LayerUnits, SubnetConfig

MakeSupernet = Callable[..., Supernet]
KINDS = ["bert", "roberta", "electra", "electra_projected"]
# Sums of at most 24 terms in another order; in float32 that is a few ulp of logits of size 10.
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


def _logits(model: Any, batch: Any) -> torch.Tensor:
    with torch.no_grad():
        logits: torch.Tensor = model(**batch.inputs).logits
    return logits


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("importance", ["default", *known_importances()])
def test_the_full_model_computes_the_same_after_ranking_by_any_method(
    importance: str, dtype: str, make_supernet: MakeSupernet, tiny_batch: Any
) -> None:
    supernet = make_supernet(dtype=dtype)
    before = _logits(supernet.model, tiny_batch())
    supernet.rank(importance, [tiny_batch(seed=1), tiny_batch(seed=2)])
    after = _logits(supernet.model, tiny_batch())
    torch.testing.assert_close(after, before, atol=TOLERANCE[dtype], rtol=TOLERANCE[dtype])


@pytest.mark.parametrize("kind", KINDS)
def test_a_random_permutation_of_every_axis_keeps_the_function_of_every_family(
    kind: str, make_supernet: MakeSupernet, tiny_batch: Any
) -> None:
    supernet = make_supernet(kind, dtype="float64")
    before = _logits(supernet.model, tiny_batch())
    weights = {name: value.clone() for name, value in supernet.model.state_dict().items()}
    ranking = supernet.rank("random", seed=13)  # no layer draws the order that it has
    after = _logits(supernet.model, tiny_batch())
    torch.testing.assert_close(after, before, atol=TOLERANCE["float64"], rtol=TOLERANCE["float64"])
    changed = {n for n, value in supernet.model.state_dict().items() if not torch.equal(value, weights[n])}
    on_axes = {t.name for t in supernet.shape.tensors if {s.axis for dim in t.dims for s in dim} != {"fixed"}}
    assert changed == on_axes
    assert set(ranking.methods) == {"hidden", "heads", "ffn", "layers"}


def test_a_ranked_supernet_keeps_the_best_units_of_the_original(
    make_supernet: MakeSupernet, tiny_batch: Any
) -> None:
    original, ranked = make_supernet(dtype="float64"), make_supernet(dtype="float64")
    orders = ranked.rank("random", seed=5).orders
    prefix = SubnetConfig(hidden=16, layers=(LayerUnits(heads=2, ffn=7),) * 3)
    assert orders.hidden is not None
    best = SubnetConfig(
        hidden=_best(orders.hidden, 16),
        layers=tuple(
            LayerUnits(heads=_best(orders.heads[index], 2), ffn=_best(orders.ffn[index], 7))
            for index in range(3)
        ),
    )
    expected = _logits(original.extract(best), tiny_batch())
    torch.testing.assert_close(
        _logits(ranked.extract(prefix), tiny_batch()), expected, atol=1e-12, rtol=1e-12
    )


def _best(order: np.ndarray, number: int) -> tuple[int, ...]:
    return tuple(int(unit) for unit in order[:number])


def test_layers_are_dropped_by_rank_and_never_moved(make_supernet: MakeSupernet, tiny_batch: Any) -> None:
    supernet = make_supernet()
    ranking = supernet.rank({"layers": "block_influence"}, [tiny_batch()])
    assert supernet.layer_order == ranking.layer_order
    assert ranking.methods == {"layers": "block_influence"}
    space = supernet.space("uniform")
    one_layer = space.decode(space.encode(space.largest()) | {"num_hidden_layers": 1})
    assert one_layer.kept_layers == (ranking.layer_order[0],)


def test_an_axis_without_a_method_keeps_its_order(make_supernet: MakeSupernet) -> None:
    supernet = make_supernet()
    words = supernet.model.bert.embeddings.word_embeddings.weight.clone()
    ranking = supernet.rank({"ffn": "random"})
    assert torch.equal(supernet.model.bert.embeddings.word_embeddings.weight, words)
    assert ranking.orders.hidden is None
    assert supernet.layer_order == (0, 1, 2)


def test_ranking_keeps_the_parameters_themselves(make_supernet: MakeSupernet) -> None:
    supernet = make_supernet()
    before = [id(parameter) for parameter in supernet.model.parameters()]
    supernet.rank("random", seed=1)
    assert [id(parameter) for parameter in supernet.model.parameters()] == before


def test_a_failed_ranking_changes_nothing(make_supernet: MakeSupernet, tiny_batch: Any) -> None:
    supernet = make_supernet()
    before = supernet.sha256
    with pytest.raises(ConfigError, match="needs calibration data"):
        supernet.rank("default")
    unlabelled = replace(tiny_batch(), labels=None)
    with pytest.raises(ConfigError, match="needs labelled"):
        supernet.rank("default", [unlabelled])
    assert (supernet.sha256, supernet.ranking) == (before, {})


def test_moving_heads_across_key_value_heads_would_change_the_weights_they_read(
    make_supernet: MakeSupernet,
) -> None:
    """An order of heads moves the keys with the queries."""
    supernet = make_supernet()
    attention = supernet.model.bert.encoder.layer[0].attention.self
    orders = AxisOrders(heads={0: np.array([2, 0, 1])})
    for name in ("query", "key", "value"):
        weight = getattr(attention, name).weight.detach()
        layout = supernet.shape.by_name[f"bert.encoder.layer.0.attention.self.{name}.weight"]
        moved = permute(weight, layout, orders, supernet.shape)
        assert torch.equal(moved, torch.cat([weight[16:24], weight[0:8], weight[8:16]]))
