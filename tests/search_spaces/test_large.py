"""The large space: a switch for every head and every group of neurons."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from search_spaces import LayerUnits, ModelShape, SpaceError, SpaceLimits, SubnetConfig, build_space
from search_spaces.units import count


def test_klein_large_has_a_bit_for_every_head_and_neuron(bert_shape: ModelShape) -> None:
    space = build_space("large", bert_shape, ffn_group=1)
    assert space.cardinality == 2 ** (6 * 12 + 6 * 96)


def test_by_default_a_layer_has_at_most_16_groups(bert_shape: ModelShape) -> None:
    assert build_space("large", bert_shape).cardinality == 2 ** (6 * (12 + 16))
    odd = replace(bert_shape, layers=(replace(bert_shape.layers[0], intermediate_size=34),) * 6)
    assert build_space("large", odd).cardinality == 2 ** (6 * (12 + 2))


def test_any_set_of_heads_and_groups_is_a_sub_network(bert_shape: ModelShape) -> None:
    space = build_space("large", bert_shape, ffn_group=32)
    off = {"layers.1.heads.0": 0, "layers.1.ffn.1": 0}
    config = space.decode(space.encode(space.largest()) | off)
    expected = LayerUnits(heads=tuple(range(1, 12)), ffn=(*range(32), *range(64, 96)))
    assert config.layers[1] == expected


def test_the_first_units_are_spelt_as_a_prefix(bert_shape: ModelShape) -> None:
    space = build_space("large", bert_shape, ffn_group=32)
    config = space.decode(space.encode(space.largest()) | {"layers.1.heads.11": 0, "layers.1.ffn.2": 0})
    assert config.layers[1] == LayerUnits(heads=11, ffn=64)


def test_part_of_a_group_is_not_in_the_space(bert_shape: ModelShape) -> None:
    full = SubnetConfig.full(bert_shape)
    part = replace(full, layers=(LayerUnits(heads=12, ffn=40), *full.layers[1:]))
    assert part not in build_space("large", bert_shape, ffn_group=32)
    assert part in build_space("large", bert_shape, ffn_group=8)


def test_draws_switch_off_every_number_of_units_alike(bert_shape: ModelShape) -> None:
    space, generator = build_space("large", bert_shape), np.random.default_rng(0)
    shares = []
    for _ in range(300):
        values = space.encode(space.sample(generator))
        shares.append(sum(values.values()) / len(values))
    # A uniform share has the quartiles 0.25, 0.5 and 0.75; switches drawn one by one 0.5 thrice.
    assert np.quantile(shares, [0.25, 0.5, 0.75]) == pytest.approx([0.25, 0.5, 0.75], abs=0.08)


def test_a_fraction_keeps_the_first_units_of_every_layer(bert_shape: ModelShape) -> None:
    middle = build_space("large", bert_shape).middle()
    assert middle.layers == (LayerUnits(heads=6, ffn=48),) * 6


def test_a_key_value_head_has_its_query_heads_with_it(gqa_shape: ModelShape) -> None:
    space = build_space("large", gqa_shape)
    config = space.decode(space.encode(space.largest()) | {"layers.0.heads.1": 0})
    assert config.layers[0] == LayerUnits(heads=(0, 2), queries=2, ffn=10)


def test_blocks_that_share_heads_share_the_switches_and_keep_the_first(bert_shape: ModelShape) -> None:
    space = build_space("large", replace(bert_shape, has_shared_heads=True))
    smallest = space.smallest()
    assert [count(units.heads) for units in smallest.layers if units] == [1] * 6
    assert space.cardinality == 2 ** (11 + 6 * 16)


def test_groups_follow_the_alignment(bert_shape: ModelShape) -> None:
    space = build_space("large", bert_shape, limits=SpaceLimits(align=16))
    assert space.cardinality == 2 ** (6 * (12 + 6))


@pytest.mark.parametrize(("group", "align"), [(7, 1), (0, 1), (True, 1), (8, 16)])
def test_a_group_that_does_not_fit_is_refused_with_the_legal_sizes(
    group: int, align: int, bert_shape: ModelShape
) -> None:
    with pytest.raises(SpaceError, match=rf"ffn_group: got {group}; allowed are sizes that divide .*96"):
        build_space("large", bert_shape, ffn_group=group, limits=SpaceLimits(align=align))


def test_other_spaces_have_no_groups(bert_shape: ModelShape) -> None:
    with pytest.raises(SpaceError, match="only the large space has groups"):
        build_space("medium", bert_shape, ffn_group=8)
