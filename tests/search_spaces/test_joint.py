"""The joint space: the FFN width is a share of the embedding dimension."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces import ModelShape, SpaceError, SpaceLimits, build_space
from search_spaces.units import count


def _width(shape: ModelShape, ratio: int, hidden: int, **options: Any) -> int:
    choices = {"ffn_ratio_percent": [ratio], "hidden_size": [hidden]}
    config = build_space("joint", shape, choices=choices, **options).largest()
    assert count(config.hidden) == hidden
    assert config.layers[0] is not None
    return count(config.layers[0].ffn)


def test_its_size_is_depth_times_heads_times_ratios_times_embeddings(bert_shape: ModelShape) -> None:
    choices = {"ffn_ratio_percent": [100, 150, 200], "hidden_size": [24, 48]}
    assert build_space("joint", bert_shape, choices=choices).cardinality == 6 * 12 * 3 * 2


@pytest.mark.parametrize(
    ("ratio", "hidden", "width"), [(100, 24, 24), (150, 24, 40), (150, 40, 64), (200, 30, 64), (200, 48, 96)]
)
def test_the_width_is_the_ratio_of_the_embedding_rounded_to_8(
    ratio: int, hidden: int, width: int, bert_shape: ModelShape
) -> None:
    assert _width(bert_shape, ratio, hidden) == width


def test_an_alignment_sets_what_the_width_is_rounded_to(bert_shape: ModelShape) -> None:
    limits = SpaceLimits(align={"intermediate_size": 20})
    assert [_width(bert_shape, 100, h, limits=limits) for h in (24, 32, 48)] == [20, 40, 40]


def test_a_full_ratio_that_is_no_whole_number_gives_the_full_width(gqa_shape: ModelShape) -> None:
    shape = replace(gqa_shape, layers=(replace(gqa_shape.layers[0], intermediate_size=53),) * 2)
    space = build_space("joint", shape)
    assert space.dimension("ffn_ratio_percent").values == (50, 100, 150, 200, 250, 265)
    largest = space.largest()
    assert largest.layers[0] is not None
    assert largest.layers[0].ffn == 53


@given(data=st.data())
def test_ratios_that_give_one_width_are_encoded_as_the_lowest(
    data: st.DataObject, bert_shape: ModelShape
) -> None:
    space = build_space("joint", bert_shape, choices={"ffn_ratio_percent": {"min": 90, "max": 200}})
    drawn = {d.name: d.to_parameter(data.draw(st.sampled_from(d.values))) for d in space.dimensions}
    lowest = space.encode(space.decode(drawn))
    assert lowest["ffn_ratio_percent"] <= drawn["ffn_ratio_percent"]
    assert {**lowest, "ffn_ratio_percent": 0} == {**drawn, "ffn_ratio_percent": 0}


def test_grouped_query_attention_has_its_two_head_dimensions(gqa_shape: ModelShape) -> None:
    names = {dimension.name for dimension in build_space("joint", gqa_shape).dimensions}
    assert {"num_key_value_heads", "num_key_value_groups", "ffn_ratio_percent"} < names


@pytest.mark.parametrize("sizes", [[2, 4], {"min": 1, "max": 4}])
def test_a_cut_through_heads_is_refused_with_the_reason(sizes: Any, bert_shape: ModelShape) -> None:
    with pytest.raises(SpaceError, match=r"head_dim: .*heads are kept whole, at 4 channels, since rotary"):
        build_space("joint", bert_shape, choices={"head_dim": sizes})


def test_the_full_head_dim_can_be_stated(bert_shape: ModelShape) -> None:
    stated = build_space("joint", bert_shape, choices={"head_dim": [4]})
    assert stated.sha256 == build_space("joint", bert_shape).sha256


def test_a_stock_config_with_a_ratio_of_its_own_is_refused(bert_shape: ModelShape) -> None:
    shape = replace(bert_shape, ffn_rule="ratio", has_head_dim=True)
    with pytest.raises(SpaceError, match=r"mlp_ratio of its own.*choose the uniform space"):
        build_space("joint", shape, portability="plain")
