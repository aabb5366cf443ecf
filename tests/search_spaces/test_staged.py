"""The staged space: a uniform space inside a medium one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces import ModelShape, SpaceError, SpaceLimits, StagedSpace, build_space

OPTIONS: list[dict[str, Any]] = [
    {},
    {"layer_order": (5, 3, 1, 0, 2, 4)},
    {"choices": {"num_attention_heads": [3, 12], "intermediate_size": [5, 96], "hidden_size": [48]}},
    {"limits": SpaceLimits(align=20, frozen_layers=(2,), rules=("num_hidden_layers >= 2",))},
]


@pytest.mark.parametrize("options", OPTIONS)
@given(seed=st.integers(0, 2**32))
def test_every_uniform_point_is_a_point_of_the_whole(
    options: dict[str, Any], seed: int, bert_shape: ModelShape
) -> None:
    space = StagedSpace(bert_shape, **options)
    config = space.uniform.sample(np.random.default_rng(seed))
    assert space.decode(space.encode(config)) == config


def test_each_layer_has_the_uniform_values_and_0(bert_shape: ModelShape) -> None:
    space = StagedSpace(bert_shape, choices={"num_attention_heads": [3, 12]})
    assert space.dimension("layers.2.num_attention_heads").values == (0, 3, 12)
    assert space.dimension("hidden_size").values == space.uniform.dimension("hidden_size").values
    assert len(space.dimension("hidden_size").values) > 1


def test_a_depth_bounds_the_first_stage_only(bert_shape: ModelShape) -> None:
    space = StagedSpace(bert_shape, choices={"num_hidden_layers": [6]})
    assert space.uniform.smallest().kept_layers == tuple(range(6))
    assert space.smallest().kept_layers == ()


def test_its_size_is_that_of_the_medium_space_of_its_values(bert_shape: ModelShape) -> None:
    space = StagedSpace(bert_shape, choices={"hidden_size": [24, 48]})
    assert space.cardinality == 2 * (13 * 17) ** 6


def test_query_groups_are_never_0(gqa_shape: ModelShape) -> None:
    space = StagedSpace(gqa_shape)
    assert space.dimension("layers.0.num_key_value_heads").values == (0, 1, 2, 3)
    assert space.dimension("layers.0.num_key_value_groups").values == (1, 2)


def test_blocks_that_share_heads_are_refused(bert_shape: ModelShape) -> None:
    with pytest.raises(SpaceError, match="cannot drop a block whole; choose the uniform or the medium space"):
        build_space("staged", replace(bert_shape, has_shared_heads=True))
