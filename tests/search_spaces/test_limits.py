"""Aligned sizes and frozen layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces import ModelShape, SpaceError, SpaceLimits, SubnetConfig, build_space
from search_spaces.subnet import full_layer
from search_spaces.units import count

KINDS = ("uniform", "joint", "medium", "staged", "layer", "sublayer", "large")
SIZED = ("uniform", "joint", "medium", "staged", "large")


@pytest.mark.parametrize("align", [5, 16, {"intermediate_size": 20, "hidden_size": 7}])
@pytest.mark.parametrize("kind", SIZED)
def test_sizes_are_multiples_or_full(
    kind: str, align: int | Mapping[str, int], bert_shape: ModelShape
) -> None:
    limits = SpaceLimits(align=align)
    space, generator = build_space(kind, bert_shape, limits=limits), np.random.default_rng(0)
    for config in [space.smallest(), space.middle(), *(space.sample(generator) for _ in range(30))]:
        hidden, widths = count(config.hidden), [count(u.ffn) for u in config.layers if u is not None]
        assert hidden % limits.step_of("hidden_size") == 0 or hidden == 48
        assert all(width % limits.step_of("intermediate_size") == 0 or width == 96 for width in widths)


@pytest.mark.parametrize("kind", KINDS)
def test_the_full_model_stays_the_largest_point_of_an_aligned_space(
    kind: str, bert_shape: ModelShape
) -> None:
    space = build_space(kind, bert_shape, limits=SpaceLimits(align=7))
    assert space.largest() == SubnetConfig.full(bert_shape)


def test_default_sizes_are_rounded_to_multiples(bert_shape: ModelShape) -> None:
    space = build_space("uniform", bert_shape, limits=SpaceLimits(align={"intermediate_size": 20}))
    assert space.dimension("intermediate_size").values == (20, 40, 60, 80, 96)
    assert space.dimension("hidden_size").values == (24, 30, 36, 42, 48)


def test_a_range_keeps_its_multiples(bert_shape: ModelShape) -> None:
    choices = {"intermediate_size": {"min": 1, "max": 96}}
    space = build_space("medium", bert_shape, choices=choices, limits=SpaceLimits(align=32))
    assert space.dimension("layers.3.intermediate_size").values == (32, 64, 96)


def test_heads_are_aligned_by_name(bert_shape: ModelShape) -> None:
    space = build_space("medium", bert_shape, limits=SpaceLimits(align={"num_attention_heads": 4}))
    assert space.dimension("layers.0.num_attention_heads").values == (0, 4, 8, 12)


def test_plain_heads_are_aligned_through_the_hidden_size(bert_shape: ModelShape) -> None:
    space = build_space("uniform", bert_shape, portability="plain", limits=SpaceLimits(align=16))
    assert space.dimension("num_attention_heads").values == (4, 8, 12)


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 2**32), layers=st.sets(st.integers(0, 5)))
def test_frozen_layers_are_never_cut(kind: str, seed: int, layers: set[int], bert_shape: ModelShape) -> None:
    space = build_space(kind, bert_shape, limits=SpaceLimits(frozen_layers=tuple(sorted(layers))))
    full = full_layer(bert_shape.layers[0])
    for config in (space.sample(np.random.default_rng(seed)), space.smallest(), space.middle()):
        assert all(config.layers[index] == full for index in layers)
        assert config in space


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_decoding_and_encoding_agree_with_frozen_layers(
    kind: str, data: st.DataObject, bert_shape: ModelShape
) -> None:
    space = build_space(kind, bert_shape, limits=SpaceLimits(frozen_layers=(1, 4)))
    drawn = {d.name: d.to_parameter(data.draw(st.sampled_from(d.values))) for d in space.dimensions}
    config = space.decode(drawn)
    assert space.decode(space.encode(config)) == config


@pytest.mark.parametrize(
    ("kind", "points"),
    [("medium", (13 * 17) ** 4), ("layer", 2**4), ("sublayer", 2**8), ("large", 2 ** (4 * (12 + 16)))],
)
def test_frozen_layers_have_no_choices_of_their_own(kind: str, points: int, bert_shape: ModelShape) -> None:
    assert build_space(kind, bert_shape, limits=SpaceLimits(frozen_layers=(0, 3))).cardinality == points


def test_a_depth_counts_the_frozen_layers_in(bert_shape: ModelShape) -> None:
    space = build_space("uniform", bert_shape, limits=SpaceLimits(frozen_layers=(4, 5)))
    assert space.dimension("num_hidden_layers").values == (2, 3, 4, 5, 6)
    three = space.decode(space.encode(space.largest()) | {"num_hidden_layers": 3})
    assert three.kept_layers == (0, 4, 5)


def test_frozen_layers_fix_heads_that_all_blocks_share(bert_shape: ModelShape) -> None:
    shape = replace(bert_shape, has_shared_heads=True)
    for kind in ("uniform", "medium"):
        space = build_space(kind, shape, limits=SpaceLimits(frozen_layers=(3,)))
        assert space.dimension("num_attention_heads").values == (12,)
        with pytest.raises(SpaceError, match="share their heads, and frozen_layers keep all"):
            build_space(
                kind, shape, choices={"num_attention_heads": [6]}, limits=SpaceLimits(frozen_layers=(3,))
            )


@pytest.mark.parametrize(
    ("limits", "choices", "message"),
    [
        ({"align": 0}, {}, "align: got 0; give a whole number of at least 1"),
        ({"align": True}, {}, "align: got True"),
        ({"align": {"hidden_size": -8}}, {}, "align: got -8 for hidden_size"),
        ({"align": {"hidden": 8}}, {}, r"unknown dimension 'hidden'; .*did you mean hidden_size\?"),
        ({"align": 8}, {"intermediate_size": [20, 32]}, "20 is no multiple of 8, .*full size, 96"),
        ({"align": 50}, {"intermediate_size": {"min": 2, "max": 40}}, "holds no multiple of 50"),
        ({"frozen_layers": (6,)}, {}, "frozen_layers: got 6; the model has layers 0 to 5"),
        ({"frozen_layers": (1, 1)}, {}, "give each layer once"),
        ({"frozen_layers": (1, 2)}, {"num_hidden_layers": [1, 6]}, "whole numbers from 2 to 6"),
    ],
)
def test_limits_that_do_not_fit_are_refused_with_what_is_allowed(
    limits: dict[str, Any], choices: dict[str, Any], message: str, bert_shape: ModelShape
) -> None:
    with pytest.raises(SpaceError, match=message):
        build_space("uniform", bert_shape, choices=choices, limits=SpaceLimits(**limits))
