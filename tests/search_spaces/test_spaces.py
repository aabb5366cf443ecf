"""The spaces: what they hold, how they are addressed, and what they refuse."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces import (
    LayerUnits,
    ModelShape,
    SearchSpace,
    SpaceError,
    SubnetConfig,
    UniformSpace,
    build_space,
    portability,
)

KINDS = ("uniform", "joint", "medium", "staged", "layer", "sublayer", "large")
PLAIN_KINDS = ("uniform", "joint", "layer")


def _draw(data: st.DataObject, space: SearchSpace) -> dict[str, int]:
    """Flat parameters, as a sampler that knows only the bounds would draw them."""
    parameters = {}
    for dimension in space.dimensions:
        low, high, step = dimension.bounds
        parameters[dimension.name] = low + step * data.draw(st.integers(0, (high - low) // step))
    return parameters


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_decoding_what_was_encoded_gives_the_same_sub_network(
    kind: str, data: st.DataObject, shape: ModelShape
) -> None:
    space = build_space(kind, shape)
    config = space.decode(_draw(data, space))
    assert space.decode(space.encode(config)) == config
    assert config in space


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"joint"}))  # its ratios can give one width
@given(data=st.data())
def test_encoding_gives_back_the_parameters_where_no_sub_layer_is_removed(
    kind: str, data: st.DataObject, shape: ModelShape
) -> None:
    space = build_space(kind, shape)
    parameters = _draw(data, space)
    config = space.decode(parameters)
    is_whole = all(u is not None and u.num_attention_heads and u.ffn for u in config.layers)
    if is_whole or kind in ("uniform", "layer", "sublayer", "large"):
        assert space.encode(config) == parameters


@pytest.mark.parametrize("kind", PLAIN_KINDS)
@given(data=st.data())
def test_a_plain_space_yields_only_plain_sub_networks(
    kind: str, data: st.DataObject, bert_shape: ModelShape
) -> None:
    projected = replace(bert_shape, embedding_size=24)
    for full in (bert_shape, projected):
        space = build_space(kind, full, portability="plain")
        assert portability(full, space.decode(_draw(data, space))) == "plain"


@pytest.mark.parametrize("kind", KINDS)
def test_samples_lie_in_the_space_and_repeat_with_the_seed(kind: str, shape: ModelShape) -> None:
    space = build_space(kind, shape)
    first, second = (
        [space.sample(generator) for _ in range(20)]
        for generator in (np.random.default_rng(3), np.random.default_rng(3))
    )
    assert first == second
    assert all(config in space for config in first)


@pytest.mark.parametrize("kind", KINDS)
def test_the_largest_point_is_the_full_model(kind: str, shape: ModelShape) -> None:
    assert build_space(kind, shape).largest() == SubnetConfig.full(shape).canonical(shape)


def test_the_smallest_uniform_point_is_one_layer_one_head_and_the_least_widths(
    bert_shape: ModelShape,
) -> None:
    smallest = build_space("uniform", bert_shape, layer_order=(2, 0, 1, 3, 4, 5)).smallest()
    assert smallest.kept_layers == (2,)
    assert smallest.layers[2] == LayerUnits(heads=1, ffn=6)
    assert smallest.hidden == 24


@pytest.mark.parametrize("kind", ["layer", "sublayer", "medium", "staged", "large"])
def test_the_smallest_point_of_the_other_spaces_keeps_no_block(kind: str, bert_shape: ModelShape) -> None:
    assert build_space(kind, bert_shape).smallest().kept_layers == ()


def test_klein_small_has_layers_times_heads_times_units_points(bert_shape: ModelShape) -> None:
    choices = {"hidden_size": [48], "intermediate_size": {"min": 1, "max": 96}}
    assert build_space("uniform", bert_shape, choices=choices).cardinality == 6 * 12 * 96


def test_klein_medium_has_heads_and_units_of_every_layer_zero_included(bert_shape: ModelShape) -> None:
    choices = {"intermediate_size": {"min": 0, "max": 96}}
    assert build_space("medium", bert_shape, choices=choices).cardinality == (13 * 97) ** 6


@pytest.mark.parametrize(("kind", "points"), [("layer", 2**6), ("sublayer", 2**12)])
def test_switches_have_two_to_their_number_points(kind: str, points: int, bert_shape: ModelShape) -> None:
    assert build_space(kind, bert_shape).cardinality == points


def test_uneven_choices_reach_the_sampler_as_indices(bert_shape: ModelShape) -> None:
    space = build_space("uniform", bert_shape, choices={"num_attention_heads": [1, 2, 12]})
    parameters = space.encode(space.largest())
    assert parameters["num_attention_heads"] == 2
    config = space.decode(parameters | {"num_attention_heads": 0})
    assert config.layers[0] is not None
    assert config.layers[0].heads == 1


def test_the_uniform_space_drops_the_last_layers_of_its_order(bert_shape: ModelShape) -> None:
    space = build_space("uniform", bert_shape, layer_order=(5, 3, 1, 0, 2, 4))
    config = space.decode(space.encode(space.largest()) | {"num_hidden_layers": 2})
    assert config.kept_layers == (3, 5)


def test_a_uniform_space_does_not_hold_other_layers_than_its_order_keeps(bert_shape: ModelShape) -> None:
    full = SubnetConfig.full(bert_shape)
    without_first = replace(full, layers=(None, *full.layers[1:]))
    assert without_first not in build_space("uniform", bert_shape)
    assert without_first in build_space("uniform", bert_shape, layer_order=(1, 2, 3, 4, 5, 0))
    assert without_first in build_space("layer", bert_shape)


def test_a_uniform_space_does_not_hold_the_model_without_layers(bert_shape: ModelShape) -> None:
    with pytest.raises(SpaceError, match="keeps at least one layer"):
        build_space("uniform", bert_shape).encode(SubnetConfig(hidden=48, layers=(None,) * 6))


def test_a_space_does_not_hold_index_sets_that_are_no_prefix(bert_shape: ModelShape) -> None:
    full = SubnetConfig.full(bert_shape)
    odd = replace(full, layers=(LayerUnits(heads=(1, 2), ffn=96), *full.layers[1:]))
    assert odd not in build_space("medium", bert_shape)


@pytest.mark.parametrize(
    ("kind", "restriction"),
    [(kind, "any") for kind in KINDS] + [(kind, "plain") for kind in PLAIN_KINDS],
)
def test_a_ladder_rises_between_smallest_and_largest(
    kind: str, restriction: Any, bert_shape: ModelShape
) -> None:
    space = build_space(kind, bert_shape, portability=restriction)
    ladder = [space.smallest(), *space.uniform_ladder(2), space.largest()]
    depths = [len(config.kept_layers) for config in ladder]
    assert depths == sorted(depths)
    assert len({config.key for config in ladder}) == 4


@pytest.mark.parametrize("kind", ["layer", "sublayer"])
def test_half_of_a_space_of_switches_keeps_every_second_layer(kind: str, bert_shape: ModelShape) -> None:
    assert build_space(kind, bert_shape).middle().kept_layers == (0, 2, 4)


@pytest.mark.parametrize("fraction", [-0.1, 1.1, math.nan])
def test_a_fraction_outside_0_to_1_is_refused(fraction: float, bert_shape: ModelShape) -> None:
    with pytest.raises(SpaceError, match="allowed are 0 to 1"):
        build_space("layer", bert_shape).at_fraction(fraction)


def test_plain_heads_fix_the_hidden_size_where_the_config_has_no_head_dim(bert_shape: ModelShape) -> None:
    space = build_space("uniform", bert_shape, portability="plain")
    config = space.decode(space.encode(space.largest()) | {"num_attention_heads": 5})
    assert config.hidden == 20
    assert "hidden_size" not in {dimension.name for dimension in space.dimensions}


def test_plain_heads_leave_the_hidden_size_free_where_the_config_has_head_dim(gqa_shape: ModelShape) -> None:
    space = build_space("uniform", gqa_shape, portability="plain")
    assert "hidden_size" in {dimension.name for dimension in space.dimensions}


def test_five_heads_of_twelve_at_a_fixed_hidden_size_are_refused_with_the_rule(
    bert_shape: ModelShape,
) -> None:
    choices = {"num_attention_heads": [5, 12], "hidden_size": [48]}
    with pytest.raises(SpaceError, match=r"5 heads of 12 are not plain: .*heads x 4.* 20, .*allows 48"):
        build_space("uniform", bert_shape, choices=choices, portability="plain")


def test_a_hidden_size_alone_fixes_the_plain_heads(bert_shape: ModelShape) -> None:
    space = build_space("uniform", bert_shape, choices={"hidden_size": [24, 48]}, portability="plain")
    heads = next(d for d in space.dimensions if d.name == "num_attention_heads")
    assert heads.values == (6, 12)


def test_a_plain_hidden_size_that_no_number_of_heads_makes_is_refused(bert_shape: ModelShape) -> None:
    with pytest.raises(SpaceError, match=r"hidden_size 26 is not plain.*allowed are 4, 8, 12"):
        build_space("uniform", bert_shape, choices={"hidden_size": [24, 26]}, portability="plain")


def test_a_plain_hidden_size_equal_to_projected_embeddings_is_left_out(bert_shape: ModelShape) -> None:
    projected = replace(bert_shape, embedding_size=24)
    space = build_space("uniform", projected, portability="plain")
    heads = next(d for d in space.dimensions if d.name == "num_attention_heads")
    assert 6 not in heads.values
    with pytest.raises(SpaceError, match=r"6 heads of 12 are not plain: .*not 24"):
        build_space("uniform", projected, choices={"num_attention_heads": [6]}, portability="plain")


@pytest.mark.parametrize("kind", ["medium", "staged", "sublayer", "large"])
def test_spaces_of_unequal_layers_cannot_be_restricted_to_plain(kind: str, bert_shape: ModelShape) -> None:
    with pytest.raises(SpaceError, match=r"cannot be restricted to portability: plain"):
        build_space(kind, bert_shape, portability="plain")


def test_a_medium_space_whose_extremes_alone_are_plain_is_still_refused(bert_shape: ModelShape) -> None:
    choices = {"num_attention_heads": [12], "intermediate_size": [48, 96]}
    with pytest.raises(SpaceError, match="blocks differ in size"):
        build_space("medium", bert_shape, choices=choices, portability="plain")


def test_the_uniform_space_needs_equal_layers(bert_shape: ModelShape) -> None:
    first = replace(bert_shape.layers[0], intermediate_size=40)
    uneven = replace(bert_shape, layers=(first, *bert_shape.layers[1:]))
    with pytest.raises(SpaceError, match="layers are equal; choose medium"):
        build_space("uniform", uneven)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("larg", {}, "unknown space 'larg'; allowed are uniform, .*; did you mean large"),
        ("uniform", {"choices": {"width": [1]}}, "unknown dimension 'width'.*allowed are num_hidden_layers"),
        ("layer", {"choices": {"hidden_size": [8]}}, "allowed are none: every dimension is on or off"),
        ("uniform", {"choices": {"num_attention_heads": [13]}}, "got 13; the model allows .* from 1 to 12"),
        ("uniform", {"choices": {"num_attention_heads": [True]}}, "got True; the model allows"),
        ("uniform", {"choices": {"intermediate_size": {"min": 1, "max": 96, "step": 4}}}, "does not divide"),
        ("uniform", {"layer_order": [0, 0, 1, 2, 3, 4]}, "give each of 0 to 5 once"),
        ("uniform", {"portability": "onnx"}, "portability: got 'onnx'; allowed are any, plain"),
    ],
)
def test_an_illegal_space_is_refused_with_what_is_allowed(
    kind: str, options: dict[str, Any], message: str, bert_shape: ModelShape
) -> None:
    with pytest.raises(SpaceError, match=message):
        build_space(kind, bert_shape, **options)


def test_parameters_of_another_space_are_refused_by_name(bert_shape: ModelShape) -> None:
    space = build_space("layer", bert_shape)
    with pytest.raises(SpaceError, match=r"parameters \['layers.0'\] do not match"):
        space.decode({f"layers.{index}": 1 for index in range(1, 6)})


def test_a_plain_uniform_space_keeps_a_first_block_unlike_the_others(bert_shape: ModelShape) -> None:
    shape = replace(bert_shape, has_own_first_block=True)
    order = [5, 4, 3, 2, 1, 0]
    plain = UniformSpace(shape, layer_order=order, portability="plain")
    assert plain.smallest().kept_layers == (0,)
    assert UniformSpace(shape, layer_order=order).smallest().kept_layers == (5,)


def test_a_plain_uniform_space_has_the_widths_that_a_ratio_gives(bert_shape: ModelShape) -> None:
    shape = replace(bert_shape, ffn_rule="ratio", has_head_dim=True)
    sizes = {d.name: d.values for d in UniformSpace(shape, portability="plain").dimensions}
    assert (sizes["hidden_size"], sizes["intermediate_size"]) == ((48,), (48, 96))


def test_the_hash_changes_with_choices_order_kind_and_portability(bert_shape: ModelShape) -> None:
    spaces = [
        build_space("uniform", bert_shape),
        build_space("uniform", bert_shape, choices={"hidden_size": [48]}),
        build_space("uniform", bert_shape, layer_order=(1, 0, 2, 3, 4, 5)),
        build_space("uniform", bert_shape, portability="plain"),
        build_space("medium", bert_shape),
        build_space("layer", bert_shape),
        build_space("layer", bert_shape, portability="plain"),
        build_space("sublayer", bert_shape),
    ]
    assert len({space.sha256 for space in spaces}) == len(spaces)


def test_the_hash_is_the_same_for_the_same_choices_however_spelt(bert_shape: ModelShape) -> None:
    listed = build_space("uniform", bert_shape, choices={"hidden_size": [48, 24]})
    ranged = build_space("uniform", bert_shape, choices={"hidden_size": {"min": 24, "step": 24}})
    assert listed.sha256 == ranged.sha256
