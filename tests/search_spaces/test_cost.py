"""Costs from the shape alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces import (
    Costs,
    LayerUnits,
    ModelShape,
    Segment,
    SubnetConfig,
    TensorLayout,
    Workload,
    build_space,
    cost,
)

Subnets = Callable[[ModelShape], st.SearchStrategy[SubnetConfig]]
WORKLOAD = Workload(batch_size=2, sequence_length=5, bytes_per_value=2)


def _cost(shape: ModelShape, config: SubnetConfig) -> Costs:
    return cost(shape, config.canonical(shape), WORKLOAD)


def test_the_costs_of_a_block_are_what_one_counts_by_hand(gqa_shape: ModelShape) -> None:
    # hidden 20; of 3 kv heads of 2 queries of 4 channels 2 kv heads with 1 query each are kept; 7 neurons.
    units = LayerUnits(heads=2, queries=1, ffn=7)
    costs = _cost(gqa_shape, SubnetConfig(hidden=20, layers=(units, None)))
    attention, ffn = 4 * (2 * 4 * 20), 2 * (7 * 20)
    outside = 11 * 20 + 20 * 20
    assert costs.num_prunable_parameters == attention + ffn + 2 * 20
    assert costs.num_parameters == costs.num_prunable_parameters + outside
    matmuls = 2 * (2 * 4) * 2 * 5**2  # queries by keys and weights by values
    assert costs.macs == 2 * 5 * (attention + ffn) + 2 * 20 * 20 + matmuls
    assert costs.weight_bytes == 2 * costs.num_parameters
    assert costs.kv_cache_bytes == 2 * (2 * 4) * 2 * 5 * 2


def test_an_encoder_has_no_key_value_cache(bert_shape: ModelShape) -> None:
    assert _cost(bert_shape, SubnetConfig.full(bert_shape)).kv_cache_bytes == 0


@given(data=st.data())
def test_costs_depend_on_how_many_units_are_kept_and_not_on_which(
    data: st.DataObject, gqa_shape: ModelShape, subnets: Subnets
) -> None:
    config = data.draw(subnets(gqa_shape)).canonical(gqa_shape)
    as_prefix = SubnetConfig(
        hidden=_number(config.hidden),
        layers=tuple(
            None
            if u is None
            else LayerUnits(heads=_number(u.heads), queries=_number(u.queries), ffn=_number(u.ffn))
            for u in config.layers
        ),
    )
    assert _cost(gqa_shape, config) == _cost(gqa_shape, as_prefix)


def _number(units: int | tuple[int, ...]) -> int:
    return units if isinstance(units, int) else len(units)


@pytest.mark.parametrize("kind", ["uniform", "medium", "layer", "sublayer"])
@given(data=st.data())
def test_costs_rise_with_every_dimension(kind: str, data: st.DataObject, shape: ModelShape) -> None:
    space = build_space(kind, shape)
    drawn = {d.name: data.draw(st.sampled_from(d.values)) for d in space.dimensions}
    growing = data.draw(st.sampled_from([d for d in space.dimensions if len(d.values) > 1]))
    costs = []
    for value in growing.values:
        values = drawn | {growing.name: value}
        parameters = {d.name: d.to_parameter(values[d.name]) for d in space.dimensions}
        costs.append(_cost(shape, space.decode(parameters)))
    for metric in ("num_parameters", "macs", "weight_bytes", "kv_cache_bytes"):
        amounts = [getattr(one, metric) for one in costs]
        assert amounts == sorted(amounts)


@given(data=st.data())
def test_a_shape_read_from_json_gives_the_same_costs(
    data: st.DataObject, shape: ModelShape, subnets: Subnets
) -> None:
    config = data.draw(subnets(shape))
    again = ModelShape.from_json(json.loads(json.dumps(shape.to_json())))
    assert again == shape
    assert _cost(again, config) == _cost(shape, config)


def test_a_shape_keeps_segments_ties_and_projected_embeddings_in_json(bert_shape: ModelShape) -> None:
    fused = TensorLayout(
        name="qkv", dims=((Segment("queries", 4), Segment("heads", 4)), (Segment("hidden"),)), layer=0
    )
    tied = TensorLayout(name="decoder", dims=bert_shape.tensors[0].dims, tokens="all", tied_to="embeddings")
    shape = replace(bert_shape, tensors=(*bert_shape.tensors, fused, tied), embedding_size=7)
    assert ModelShape.from_json(json.loads(json.dumps(shape.to_json()))) == shape


def test_a_fused_projection_costs_as_much_as_its_parts(gqa_shape: ModelShape) -> None:
    queries, heads, hidden = Segment("queries", 4), Segment("heads", 4), Segment("hidden")
    fused = TensorLayout(
        name="0.qkv", dims=((queries, heads, heads), (hidden,)), layer=0, part="attention", tokens="all"
    )
    others = tuple(layout for layout in gqa_shape.tensors if layout.name not in ("0.q", "0.k", "0.v"))
    config = SubnetConfig(hidden=13, layers=(LayerUnits(heads=2, queries=1, ffn=3), None))
    assert _cost(replace(gqa_shape, tensors=(fused, *others)), config) == _cost(gqa_shape, config)


def test_a_tied_weight_is_counted_once_but_multiplied_twice(bert_shape: ModelShape) -> None:
    config = SubnetConfig.full(bert_shape)
    embeddings = bert_shape.tensors[0]
    tied = replace(embeddings, name="decoder", tokens="all", tied_to=embeddings.name)
    before = _cost(bert_shape, config)
    after = _cost(replace(bert_shape, tensors=(*bert_shape.tensors, tied)), config)
    assert after.num_parameters == before.num_parameters
    assert after.macs == before.macs + 2 * 5 * 11 * 48


def test_costs_are_read_by_metric_name(bert_shape: ModelShape) -> None:
    record = _cost(bert_shape, SubnetConfig.full(bert_shape)).as_dict()
    assert set(record) == {
        "num_parameters", "num_prunable_parameters", "macs", "weight_bytes", "kv_cache_bytes",
    }  # fmt: skip
    assert all(type(value) is float for value in record.values())
