"""Rules of a space: what they mean for sub-networks, and that nothing that breaks them is ever drawn."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces import (
    ModelShape,
    SearchSpace,
    SpaceError,
    SpaceLimits,
    SubnetConfig,
    build_space,
    sampler_of,
)
from search_spaces.rules import Rules

RULES = {
    "uniform": ("num_hidden_layers * num_attention_heads <= 24", "intermediate_size >= 2 * hidden_size"),
    "joint": ("intermediate_size + hidden_size <= 100", "num_attention_heads >= 3"),
    "medium": ("layers.0.num_attention_heads >= 4", "layers.5.intermediate_size <= 40"),
    "staged": ("num_hidden_layers >= 3", "intermediate_size >= 2 * num_attention_heads"),
    "layer": ("num_hidden_layers == 4",),
    "sublayer": ("layers.0.intermediate_size + layers.1.intermediate_size == 96",),
    "large": ("layers.2.num_attention_heads <= 6", "num_hidden_layers >= 2"),
}
EVERY = pytest.mark.parametrize("kind", RULES)


@cache
def _space(kind: str, shape: ModelShape, *rules: str) -> SearchSpace:
    return build_space(kind, shape, limits=SpaceLimits(rules=rules or RULES[kind]))


def _obeys(shape: ModelShape, space: SearchSpace, config: SubnetConfig) -> bool:
    return Rules(shape, space.limits.rules).violation(config) == 0


def _draw(data: st.DataObject, space: SearchSpace) -> dict[str, int]:
    return {d.name: d.to_parameter(data.draw(st.sampled_from(d.values))) for d in space.dimensions}


@EVERY
@settings(max_examples=20)
@given(data=st.data())
def test_a_repaired_proposal_obeys_the_rules(kind: str, data: st.DataObject, bert_shape: ModelShape) -> None:
    space = _space(kind, bert_shape)
    repaired = space.repaired(_draw(data, space))
    assert space.is_legal(repaired)
    assert _obeys(bert_shape, space, space.decode(repaired))


@EVERY
@settings(max_examples=20)
@given(data=st.data())
def test_a_legal_proposal_stays_as_it_is(kind: str, data: st.DataObject, bert_shape: ModelShape) -> None:
    space = _space(kind, bert_shape)
    legal = space.repaired(_draw(data, space))
    assert space.repaired(legal) == legal


@EVERY
@settings(max_examples=20)
@given(data=st.data())
def test_a_point_that_breaks_a_rule_cannot_be_decoded(
    kind: str, data: st.DataObject, bert_shape: ModelShape
) -> None:
    space = _space(kind, bert_shape)
    parameters = _draw(data, space)
    if not space.is_legal(parameters):
        with pytest.raises(SpaceError, match=r"the point breaks rule .*repaired\(\) gives the nearest"):
            space.decode(parameters)


@EVERY
def test_samples_and_named_points_obey_the_rules(kind: str, bert_shape: ModelShape) -> None:
    space = _space(kind, bert_shape)
    generator = np.random.default_rng(0)
    named = [space.smallest(), space.middle(), space.largest(), *space.uniform_ladder(4)]
    configs = [*named, *(space.sample(generator) for _ in range(20))]
    assert all(_obeys(bert_shape, space, config) and config in space for config in configs)


@pytest.mark.parametrize("name", ["uniform", "stratified_params", "grid_params"])
def test_samplers_of_sizes_obey_the_rules(name: str, bert_shape: ModelShape) -> None:
    space = _space("uniform", bert_shape, "num_hidden_layers * num_attention_heads <= 24")
    sampler = sampler_of(name, space)
    draws = [sampler.draw(number, np.random.default_rng(number)) for number in range(10)]
    assert all(config in space for config in draws)


def test_a_full_model_that_obeys_the_rules_is_the_largest_point(bert_shape: ModelShape) -> None:
    assert _space("staged", bert_shape).largest() == SubnetConfig.full(bert_shape)


def test_the_smallest_point_is_as_low_as_the_rules_let_it(bert_shape: ModelShape) -> None:
    space = _space("medium", bert_shape, "layers.0.num_attention_heads >= 4")
    smallest = space.smallest()
    assert smallest.kept_layers == (0,)
    assert (smallest.layers[0].heads, smallest.layers[0].ffn) == (4, 0)  # type: ignore[union-attr]  # kept


def test_a_repair_moves_only_as_far_as_the_rule_asks(bert_shape: ModelShape) -> None:
    space = _space("uniform", bert_shape, "num_hidden_layers * num_attention_heads <= 24")
    repaired = space.repaired(_all(space, 12))
    assert repaired["num_hidden_layers"] * repaired["num_attention_heads"] == 24


def _all(space: SearchSpace, heads: int) -> dict[str, int]:
    """The largest parameters with that many heads."""
    return {d.name: d.to_parameter(d.values[-1]) for d in space.dimensions} | {"num_attention_heads": heads}


def test_a_name_without_an_index_speaks_of_every_kept_block(bert_shape: ModelShape) -> None:
    rules = Rules(bert_shape, ["num_attention_heads >= 4"])
    full = SubnetConfig.full(bert_shape)
    few = replace(full.layers[1], heads=3)  # type: ignore[type-var]  # a kept block
    assert rules.violation(replace(full, layers=(None, *full.layers[1:]))) == 0
    assert rules.broken(replace(full, layers=(few, *full.layers[1:]))) == ("num_attention_heads >= 4",)


def test_a_name_with_an_index_is_0_where_the_block_is_dropped(bert_shape: ModelShape) -> None:
    full = SubnetConfig.full(bert_shape)
    dropped = replace(full, layers=(None, *full.layers[1:]))
    assert Rules(bert_shape, ["layers.0.intermediate_size == 0"]).violation(dropped) == 0


def test_grouped_query_heads_are_counted_three_ways(gqa_shape: ModelShape) -> None:
    texts = ["num_key_value_heads == 3", "num_key_value_groups == 2", "num_attention_heads == 6"]
    assert Rules(gqa_shape, texts).violation(SubnetConfig.full(gqa_shape)) == 0


def test_an_unknown_dimension_is_refused_with_the_nearest(bert_shape: ModelShape) -> None:
    with pytest.raises(SpaceError, match=r"unknown dimension 'hiden_size'.*did you mean hidden_size\?"):
        _space("uniform", bert_shape, "hiden_size >= 8")


def test_a_block_that_the_model_does_not_have_is_refused(bert_shape: ModelShape) -> None:
    with pytest.raises(SpaceError, match=r"unknown dimension 'layers.6.intermediate_size'"):
        _space("medium", bert_shape, "layers.6.intermediate_size >= 8")


@pytest.mark.parametrize(
    ("kind", "rule", "message"),
    [
        ("layer", "num_hidden_layers >= 7", "no point of the space obeys the rules"),
        ("medium", "hidden_size <= 40", "no point that obeys the rules was found"),
    ],
)
def test_rules_that_no_point_obeys_are_refused(
    kind: str, rule: str, message: str, bert_shape: ModelShape
) -> None:
    with pytest.raises(SpaceError, match=message):
        _space(kind, bert_shape, rule)


def test_a_rule_that_few_points_obey_is_met_all_the_same(bert_shape: ModelShape) -> None:
    texts = [f"layers.{index}.intermediate_size == {6 * index}" for index in range(1, 6)]
    smallest = _space("medium", bert_shape, *texts).smallest()
    widths = [units.ffn if units else 0 for units in smallest.layers]
    assert widths == [0, 6, 12, 18, 24, 30]


def test_a_small_space_counts_the_points_that_obey_its_rules(bert_shape: ModelShape) -> None:
    space = _space("layer", bert_shape, "num_hidden_layers == 4")
    assert space.cardinality == math.comb(6, 4) == len(list(space.points()))


def test_neighbours_differ_by_one_step_and_obey_the_rules(bert_shape: ModelShape) -> None:
    space = build_space("uniform", bert_shape, choices={"num_attention_heads": [1, 2, 12]})
    top = space.encode(space.largest())
    below = space.neighbours(top, "num_attention_heads")
    assert [point["num_attention_heads"] for point in below] == [1]
    assert len(space.neighbours(below[0], "num_attention_heads")) == 2
    ruled = build_space("uniform", bert_shape, limits=SpaceLimits(rules=("num_hidden_layers >= 6",)))
    assert ruled.neighbours(ruled.encode(ruled.largest()), "num_hidden_layers") == ()
