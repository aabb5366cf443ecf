"""Stages shrink evenly from the full model and end at the target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.recovery import shrinking_stages
from nas.supernet import Supernet
from search_spaces import LayerUnits, ModelShape, SubnetConfig
from search_spaces.units import count, indices


@pytest.fixture(scope="module")
def shape(make_supernet: Callable[..., Supernet]) -> ModelShape:
    return make_supernet().shape


def contains(outer: SubnetConfig, inner: SubnetConfig) -> bool:
    """Whether every unit of one sub-network is kept by another."""

    def within(large: Any, small: Any) -> bool:
        return set(indices(small)) <= set(indices(large))

    def layer_within(large: LayerUnits | None, small: LayerUnits | None) -> bool:
        if small is None:
            return True
        if large is None:
            return False
        heads = within(large.heads, small.heads) and (not small.heads or within(large.queries, small.queries))
        return heads and within(large.ffn, small.ffn)

    pairs = zip(outer.layers, inner.layers, strict=True)
    return within(outer.hidden, inner.hidden) and all(layer_within(large, small) for large, small in pairs)


@given(st.data())
def test_each_stage_is_within_the_one_before_and_the_last_is_the_target(
    shape: ModelShape, subnets: Callable[..., Any], data: st.DataObject
) -> None:
    target = data.draw(subnets(shape)).canonical(shape)
    stages = shrinking_stages(target, shape, data.draw(st.integers(1, 6)), layer_order=(2, 0, 1))
    assert stages[-1] == target
    full = SubnetConfig.full(shape)
    for outer, inner in zip((full, *stages), stages, strict=False):
        assert contains(outer, inner)


def test_sizes_fall_by_equal_steps_and_the_least_important_layer_goes_first(shape: ModelShape) -> None:
    kept = LayerUnits(heads=1, ffn=4)
    target = SubnetConfig(hidden=8, layers=(None, kept, None))
    half, end = shrinking_stages(target, shape, 2, layer_order=(1, 0, 2))
    assert (half.hidden, half.kept_layers) == (16, (0, 1))
    assert half.layers[1] == LayerUnits(heads=2, ffn=12)
    assert half.layers[0] == LayerUnits(heads=3, ffn=20)  # as large as ever until it goes
    assert end == target


def test_an_index_set_is_kept_and_filled_with_the_best_of_the_others(shape: ModelShape) -> None:
    target = SubnetConfig(hidden=24, layers=(LayerUnits(heads=3, ffn=(1, 8, 15, 19)),) * 3)
    half = shrinking_stages(target, shape, 2, layer_order=(0, 1, 2))[0]
    assert half.layers[0] is not None
    assert half.layers[0].ffn == (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 19)
    assert count(half.layers[0].ffn) == 12


def test_one_stage_is_the_target_alone(shape: ModelShape, target: SubnetConfig) -> None:
    assert shrinking_stages(target, shape, 1, layer_order=(0, 1, 2)) == (target,)


def test_stacks_with_shared_heads_shrink_together() -> None:
    from transformers import AutoModelForSeq2SeqLM, T5Config

    config = T5Config(
        d_model=16, d_kv=4, d_ff=24, num_layers=3, num_heads=4, vocab_size=40, decoder_start_token_id=0
    )
    supernet = Supernet.from_model(AutoModelForSeq2SeqLM.from_config(config), task="seq2seq-lm")
    kept = LayerUnits(heads=2, ffn=8)
    layers = (kept, None, LayerUnits(heads=0, queries=0, ffn=8), kept, kept, None)
    target = SubnetConfig(hidden=8, layers=layers).canonical(supernet.shape)
    stages = shrinking_stages(target, supernet.shape, 4, layer_order=supernet.layer_order)
    assert [stage.layers[0].heads for stage in stages if stage.layers[0]] == [4, 3, 2, 2]
    assert stages[-1] == target
