"""A sub-network has one spelling, and survives JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces import LayerUnits, ModelShape, SpaceError, SubnetConfig
from search_spaces.units import Units, canonical, count, indices

Subnets = Callable[[ModelShape], st.SearchStrategy[SubnetConfig]]


def _with_layer(shape: ModelShape, units: LayerUnits | None) -> SubnetConfig:
    """The full model with its first block replaced."""
    full = SubnetConfig.full(shape)
    return replace(full, layers=(units, *full.layers[1:]))


@given(data=st.data())
def test_the_canonical_form_of_a_canonical_form_is_itself(
    data: st.DataObject, shape: ModelShape, subnets: Subnets
) -> None:
    config = data.draw(subnets(shape)).canonical(shape)
    assert config.canonical(shape) == config


@given(data=st.data())
def test_json_round_trip_keeps_a_sub_network_and_its_key(
    data: st.DataObject, shape: ModelShape, subnets: Subnets
) -> None:
    config = data.draw(subnets(shape)).canonical(shape)
    again = SubnetConfig.from_json(json.loads(json.dumps(config.to_json())))
    assert again == config
    assert again.key == config.key


@given(data=st.data())
def test_two_sub_networks_have_equal_keys_only_if_they_keep_the_same_units(
    data: st.DataObject, gqa_shape: ModelShape, subnets: Subnets
) -> None:
    first, second = (data.draw(subnets(gqa_shape)).canonical(gqa_shape) for _ in range(2))
    assert (first.key == second.key) == (_kept_units(first) == _kept_units(second))


def _kept_units(config: SubnetConfig) -> tuple[Any, ...]:
    layers = [
        None if u is None else (indices(u.heads), indices(u.queries), indices(u.ffn)) for u in config.layers
    ]
    return indices(config.hidden), tuple(layers)


@given(kept=st.sets(st.integers(0, 8), min_size=0), full=st.just(9))
def test_a_prefix_is_spelt_as_its_count_and_any_other_set_as_sorted_indices(
    kept: set[int], full: int
) -> None:
    units: Units = tuple(sorted(kept, reverse=True))
    spelt = canonical(units, full, "units")
    assert indices(spelt) == tuple(sorted(kept))
    assert isinstance(spelt, int) == (kept == set(range(len(kept))))


def test_an_explicit_prefix_equals_its_count(bert_shape: ModelShape) -> None:
    spelt = _with_layer(bert_shape, LayerUnits(heads=(0, 2, 1), ffn=tuple(range(10))))
    counted = _with_layer(bert_shape, LayerUnits(heads=3, ffn=10))
    assert spelt.canonical(bert_shape).key == counted.canonical(bert_shape).key


@pytest.mark.parametrize(("heads", "queries"), [(0, 2), ((), 1), (2, 0), (0, 0)])
def test_attention_without_heads_is_removed_attention(
    heads: Units, queries: Units, gqa_shape: ModelShape
) -> None:
    config = _with_layer(gqa_shape, LayerUnits(heads=heads, queries=queries, ffn=10)).canonical(gqa_shape)
    assert config.layers[0] == LayerUnits(heads=0, queries=0, ffn=10)


def test_a_block_without_both_sub_layers_is_a_dropped_block(bert_shape: ModelShape) -> None:
    both = _with_layer(bert_shape, LayerUnits(heads=0, ffn=0)).canonical(bert_shape)
    assert both.key == _with_layer(bert_shape, None).canonical(bert_shape).key
    assert both.kept_layers == (1, 2, 3, 4, 5)


def test_a_block_with_one_sub_layer_is_kept(bert_shape: ModelShape) -> None:
    config = _with_layer(bert_shape, LayerUnits(heads=0, ffn=1)).canonical(bert_shape)
    assert config.kept_layers == (0, 1, 2, 3, 4, 5)


def test_counts_of_units_do_not_depend_on_their_spelling() -> None:
    assert count(3) == count((0, 1, 2)) == count((4, 5, 9)) == 3


@pytest.mark.parametrize(
    ("units", "message"),
    [
        (13, "layer 0: heads: got 13; the model has 12, so 0 to 12 are allowed"),
        (-1, "layer 0: heads: got -1; the model has 12"),
        ((3, 3), "layer 0: heads: index given twice in"),
        ((0, 12), r"layer 0: heads: indices \[0, 12\] leave 0 to 11"),
        (True, "layer 0: heads: got True; give a count or a list of indices"),
        ((0, True), "give a count or a list of indices"),
        (2.0, "layer 0: heads: got 2.0; give a count"),
        ("3", "layer 0: heads: got '3'; give a count"),
    ],
)
def test_units_that_the_model_does_not_have_are_refused(
    units: Any, message: str, bert_shape: ModelShape
) -> None:
    with pytest.raises(SpaceError, match=message):
        _with_layer(bert_shape, LayerUnits(heads=units, ffn=1)).canonical(bert_shape)


def test_a_sub_network_without_channels_is_refused(bert_shape: ModelShape) -> None:
    with pytest.raises(SpaceError, match="at least one channel must be kept"):
        replace(SubnetConfig.full(bert_shape), hidden=0).canonical(bert_shape)


def test_a_sub_network_of_another_depth_is_refused(bert_shape: ModelShape, gqa_shape: ModelShape) -> None:
    with pytest.raises(SpaceError, match="configuration has 2 layers, the model 6"):
        SubnetConfig.full(gqa_shape).canonical(bert_shape)


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"hidden": 3},
        {"hidden": True, "layers": []},
        {"hidden": 3, "layers": [7]},
        {"hidden": 3, "layers": [{"heads": 1.5, "ffn": 2}]},
        {"hidden": 3, "layers": [{"heads": [0, True], "ffn": 2}]},
        [],
    ],
)
def test_a_record_of_another_form_is_refused_with_the_expected_form(record: Any) -> None:
    with pytest.raises(SpaceError, match=r"not a sub-network configuration .* expected"):
        SubnetConfig.from_json(record)
