"""Cutting and permuting single weights, fused and grouped ones included."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nas.elastic import AxisOrders, cut, full_size, permute
from search_spaces import LayerShape, LayerUnits, ModelShape, Segment, SubnetConfig, TensorLayout
from search_spaces.units import Units, indices

HEAD_DIM, GROUPS, QUERIES, HIDDEN, FFN = 2, 3, 2, 5, 7
LAYER = LayerShape(
    num_key_value_heads=GROUPS, queries_per_head=QUERIES, head_dim=HEAD_DIM, intermediate_size=FFN
)
SHAPE = ModelShape(model_type="llama", hidden_size=HIDDEN, layers=(LAYER,), tensors=())
HEADS = Segment("heads", HEAD_DIM)
QUERY_HEADS = Segment("queries", HEAD_DIM)


def _units(full: int) -> st.SearchStrategy[Units]:
    some = st.sets(st.integers(0, full - 1), min_size=1).map(lambda kept: tuple(sorted(kept)))
    return st.one_of(st.integers(1, full), some)


def _layout(*dims: tuple[Segment, ...]) -> TensorLayout:
    return TensorLayout(name="weight", dims=dims, layer=0)


def _rows(units: LayerUnits) -> list[int]:
    """Kept rows of query, key and value projections stacked in one weight, written out by hand."""
    heads, queries = indices(units.heads), indices(units.queries)
    kept_queries = [
        (head * QUERIES + query) * HEAD_DIM + channel
        for head in heads
        for query in queries
        for channel in range(HEAD_DIM)
    ]
    kept_heads = [head * HEAD_DIM + channel for head in heads for channel in range(HEAD_DIM)]
    first_key = GROUPS * QUERIES * HEAD_DIM
    first_value = first_key + GROUPS * HEAD_DIM
    return kept_queries + [first_key + row for row in kept_heads] + [first_value + row for row in kept_heads]


@given(heads=_units(GROUPS), queries=_units(QUERIES), hidden=_units(HIDDEN))
def test_a_fused_projection_is_cut_segment_by_segment(heads: Units, queries: Units, hidden: Units) -> None:
    layout = _layout((QUERY_HEADS, HEADS, HEADS), (Segment("hidden"),))
    rows = sum(full_size(segment, 0, SHAPE) for segment in layout.dims[0])
    weight = torch.arange(rows * HIDDEN).reshape(rows, HIDDEN)
    units = LayerUnits(heads=heads, queries=queries, ffn=FFN)
    kept = cut(weight, layout, SubnetConfig(hidden=hidden, layers=(units,)).canonical(SHAPE), SHAPE)
    assert torch.equal(kept, weight[_rows(units)][:, list(indices(hidden))])


@pytest.mark.parametrize(
    ("segment", "units"),
    [
        (Segment("hidden"), {"hidden": 3}),
        (Segment("ffn"), {"ffn": 4}),
        (HEADS, {"heads": 2}),
        (QUERY_HEADS, {"heads": 2, "queries": QUERIES}),
        (QUERY_HEADS, {"heads": 1, "queries": 1}),
    ],
)
def test_a_prefix_is_a_view(segment: Segment, units: dict[str, Any]) -> None:
    config = _config(**units)
    weight = torch.randn(full_size(segment, 0, SHAPE))
    kept = cut(weight, _layout((segment,)), config, SHAPE)
    assert len(kept) < len(weight)
    assert kept.data_ptr() == weight.data_ptr()


def test_fewer_queries_of_several_heads_are_no_prefix() -> None:
    weight = torch.arange(GROUPS * QUERIES * HEAD_DIM)
    kept = cut(weight, _layout((QUERY_HEADS,)), _config(heads=2, queries=1), SHAPE)
    assert kept.tolist() == [0, 1, 4, 5]


def test_a_whole_weight_is_itself() -> None:
    weight = torch.randn(FFN, HIDDEN)
    layout = _layout((Segment("ffn"),), (Segment("hidden"),))
    assert cut(weight, layout, SubnetConfig.full(SHAPE), SHAPE) is weight


def test_gradients_pass_through_a_gathered_cut() -> None:
    weight = torch.randn(FFN, requires_grad=True)
    cut(weight, _layout((Segment("ffn"),)), _config(ffn=(1, 4)), SHAPE).sum().backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [0, 1, 0, 0, 1, 0, 0]


def test_query_heads_move_with_their_key_value_head_and_inside_it() -> None:
    orders = AxisOrders(
        heads={0: np.array([2, 0, 1])},
        queries={0: np.array([[0, 1], [1, 0], [1, 0]])},  # by the old key-value head
    )
    weight = torch.arange(GROUPS * QUERIES * HEAD_DIM).reshape(-1, HEAD_DIM)[:, 0] // HEAD_DIM
    per_channel = weight.repeat_interleave(HEAD_DIM)
    moved = permute(per_channel, _layout((QUERY_HEADS,)), orders, SHAPE)
    assert moved[::HEAD_DIM].tolist() == [5, 4, 0, 1, 3, 2]
    keys = torch.arange(GROUPS).repeat_interleave(HEAD_DIM)
    assert permute(keys, _layout((HEADS,)), orders, SHAPE)[::HEAD_DIM].tolist() == [2, 0, 1]


def test_an_order_of_queries_alone_leaves_key_value_heads_where_they_are() -> None:
    orders = AxisOrders(queries={0: np.array([[1, 0], [0, 1], [1, 0]])})
    heads = torch.arange(GROUPS * QUERIES).repeat_interleave(HEAD_DIM)
    moved = permute(heads, _layout((QUERY_HEADS,)), orders, SHAPE)
    assert moved[::HEAD_DIM].tolist() == [1, 0, 2, 3, 5, 4]
    keys = torch.arange(GROUPS * HEAD_DIM)
    assert permute(keys, _layout((HEADS,)), orders, SHAPE) is keys


def test_a_weight_that_no_order_touches_is_itself() -> None:
    weight = torch.randn(4, HIDDEN)
    layout = TensorLayout(name="weight", dims=((Segment("fixed", 4),), (Segment("hidden"),)))
    assert permute(weight, layout, AxisOrders(), SHAPE) is weight


@given(order=st.permutations(range(FFN)), hidden=st.permutations(range(HIDDEN)))
def test_position_i_takes_the_unit_of_the_order(order: list[int], hidden: list[int]) -> None:
    layout = _layout((Segment("ffn"),), (Segment("hidden"),))
    weight = torch.randn(FFN, HIDDEN)
    moved = permute(weight, layout, AxisOrders(ffn={0: np.array(order)}, hidden=np.array(hidden)), SHAPE)
    assert torch.equal(moved, weight[order][:, hidden])


def _config(
    *, hidden: Units = HIDDEN, heads: Units = GROUPS, queries: Units = QUERIES, ffn: Units = FFN
) -> SubnetConfig:
    return SubnetConfig(hidden=hidden, layers=(LayerUnits(heads=heads, queries=queries, ffn=ffn),))
