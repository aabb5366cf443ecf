"""Which sub-networks the stock class can load."""

from __future__ import annotations

from dataclasses import replace

import pytest

from search_spaces import LayerUnits, ModelShape, SubnetConfig, portability
from search_spaces.portability import obstacle
from search_spaces.shape import FfnRule


def _same(shape: ModelShape, hidden: int, units: LayerUnits) -> SubnetConfig:
    return SubnetConfig(hidden=hidden, layers=(units,) * shape.num_hidden_layers)


def test_the_full_model_is_plain(shape: ModelShape) -> None:
    assert portability(shape, SubnetConfig.full(shape)) == "plain"


def test_dropped_layers_stay_plain(bert_shape: ModelShape) -> None:
    full = SubnetConfig.full(bert_shape)
    assert portability(bert_shape, replace(full, layers=(None, None, *full.layers[2:]))) == "plain"


def test_equal_sizes_are_plain_whichever_units_they_are(bert_shape: ModelShape) -> None:
    layers = (LayerUnits(heads=(1, 3), ffn=5), *(LayerUnits(heads=2, ffn=(0, 2, 4, 6, 8)),) * 5)
    assert portability(bert_shape, SubnetConfig(hidden=tuple(range(1, 9)), layers=layers)) == "plain"


@pytest.mark.parametrize(
    ("hidden", "units", "reason"),
    [
        (48, LayerUnits(heads=6, ffn=96), "hidden_size must be 6 heads x 4 = 24, not 48"),
        (20, LayerUnits(heads=12, ffn=96), "hidden_size must be 12 heads x 4 = 48, not 20"),
        (48, LayerUnits(heads=0, ffn=96), "a sub-layer is removed"),
        (48, LayerUnits(heads=12, ffn=0), "a sub-layer is removed"),
    ],
)
def test_sizes_that_the_stock_config_cannot_say_need_custom_code(
    hidden: int, units: LayerUnits, reason: str, bert_shape: ModelShape
) -> None:
    config = _same(bert_shape, hidden, units)
    assert portability(bert_shape, config) == "custom-code"
    assert reason in str(obstacle(bert_shape, config))


def test_unequal_blocks_need_custom_code(bert_shape: ModelShape) -> None:
    full = SubnetConfig.full(bert_shape)
    layers = (LayerUnits(heads=12, ffn=95), *full.layers[1:])
    assert obstacle(bert_shape, replace(full, layers=layers)) == "blocks differ in size"


def test_a_model_without_blocks_needs_custom_code(bert_shape: ModelShape) -> None:
    empty = SubnetConfig(hidden=48, layers=(None,) * 6)
    assert obstacle(bert_shape, empty) == "no block is kept"


def test_heads_do_not_bind_the_hidden_size_where_the_config_has_head_dim(gqa_shape: ModelShape) -> None:
    assert portability(gqa_shape, _same(gqa_shape, 7, LayerUnits(heads=1, queries=2, ffn=3))) == "plain"


def test_a_hidden_size_equal_to_projected_embeddings_needs_custom_code(bert_shape: ModelShape) -> None:
    half = _same(bert_shape, 24, LayerUnits(heads=6, ffn=96))
    assert portability(bert_shape, half) == "plain"
    projected = replace(bert_shape, embedding_size=24)
    assert "leaves out the projection" in str(obstacle(projected, half))


def test_a_first_block_unlike_the_others_must_be_kept_to_stay_plain(bert_shape: ModelShape) -> None:
    shape = replace(bert_shape, has_own_first_block=True)
    full = SubnetConfig.full(shape)
    assert obstacle(shape, replace(full, layers=(*full.layers[:2], None, *full.layers[3:]))) is None
    without_first = replace(full, layers=(None, *full.layers[1:]))
    assert "builds its first block unlike the others" in str(obstacle(shape, without_first))


@pytest.mark.parametrize(
    ("rule", "hidden", "widths"),
    [
        ("ratio", 48, [48, 96]),
        ("ratio", 20, [20, 40, 60, 80]),
        ("gated_ratio", 48, [32, 64, 96]),
        ("gated_ratio", 20, [16, 32, 40, 56, 72, 80, 96]),
    ],
)
def test_a_ratio_of_whole_numbers_gives_the_plain_widths(
    rule: FfnRule, hidden: int, widths: list[int], bert_shape: ModelShape
) -> None:
    shape = replace(bert_shape, ffn_rule=rule, has_head_dim=True)
    configs = {ffn: _same(shape, hidden, LayerUnits(heads=5, ffn=ffn)) for ffn in range(1, 97)}
    assert [ffn for ffn, config in configs.items() if portability(shape, config) == "plain"] == widths


def test_a_width_that_no_ratio_gives_is_refused_with_those_that_do(bert_shape: ModelShape) -> None:
    shape = replace(bert_shape, ffn_rule="ratio", has_head_dim=True)
    reason = obstacle(shape, _same(shape, 48, LayerUnits(heads=5, ffn=50)))
    assert "at hidden_size 48 it can be 48, 96, not 50" in str(reason)
