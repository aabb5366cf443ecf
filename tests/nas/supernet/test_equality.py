"""A sub-network is the same function in every form: elastic, masked, extracted, saved and loaded again."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from transformers import AutoModelForSequenceClassification

from nas.supernet import Supernet
from search_spaces import LayerUnits, SubnetConfig, portability
from search_spaces.units import indices

KINDS = ["bert", "roberta", "electra", "electra_projected"]
MakeSupernet = Callable[..., Supernet]
Data = st.DataObject
# In float64 the forms differ only in the order of sums of at most a few dozen terms of size 1.
EXACT = 1e-11


def _logits(model: Any, batch: Any) -> torch.Tensor:
    with torch.no_grad():
        logits: torch.Tensor = model(**batch.inputs).logits
    return logits


def _elastic_logits(supernet: Supernet, config: SubnetConfig, batch: Any) -> torch.Tensor:
    with supernet.active(config) as model:
        return _logits(model, batch)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=15)
def test_the_elastic_forward_equals_the_extracted_model_for_any_index_sets(
    kind: str,
    attention: str,
    data: Data,
    shared_supernet: MakeSupernet,
    tiny_batch: Any,
    subnets: Any,
) -> None:
    supernet = shared_supernet(kind, dtype="float64", attention=attention)
    config = data.draw(subnets(supernet.shape))
    expected = _logits(supernet.extract(config), tiny_batch())
    torch.testing.assert_close(_elastic_logits(supernet, config, tiny_batch()), expected, atol=EXACT, rtol=0)


@st.composite
def plain_subnets(draw: Any, shape: Any) -> SubnetConfig:
    """Equal sizes in every kept block, each with units of its own; channels as heads need them."""

    def some(full: int, number: int) -> tuple[int, ...]:
        return tuple(draw(st.permutations(range(full)))[:number])

    heads = draw(st.sampled_from([h for h in (1, 2, 3) if h * 8 != shape.embedding_size]))
    neurons = draw(st.integers(1, 20))
    kept = draw(st.sets(st.integers(0, 2), min_size=1))
    layers = tuple(
        LayerUnits(heads=some(3, heads), ffn=some(20, neurons)) if index in kept else None
        for index in range(3)
    )
    return SubnetConfig(hidden=some(24, 8 * heads), layers=layers).canonical(shape)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=8)
def test_a_plain_sub_network_saved_and_loaded_by_the_stock_class_equals_the_elastic_forward(
    kind: str, data: Data, shared_supernet: MakeSupernet, tiny_batch: Any
) -> None:
    supernet = shared_supernet(kind, dtype="float64")
    config = data.draw(plain_subnets(supernet.shape))
    assert portability(supernet.shape, config) == "plain"
    with tempfile.TemporaryDirectory() as folder:
        supernet.extract(config).save_pretrained(folder)
        loaded, report = AutoModelForSequenceClassification.from_pretrained(
            folder, dtype="float64", attn_implementation="eager", output_loading_info=True
        )
    assert not any(report.values())
    expected = _elastic_logits(supernet, config, tiny_batch())
    torch.testing.assert_close(_logits(loaded, tiny_batch()), expected, atol=EXACT, rtol=0)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=15)
def test_removed_heads_neurons_and_layers_equal_masked_ones(
    kind: str,
    attention: str,
    data: Data,
    shared_supernet: MakeSupernet,
    tiny_batch: Any,
    subnets: Any,
) -> None:
    supernet = shared_supernet(kind, dtype="float64", attention=attention)
    config = replace(data.draw(subnets(supernet.shape)), hidden=24)
    sliced = _elastic_logits(supernet, config, tiny_batch())
    masked = supernet.extract(supernet.full)
    for block, units in zip(
        masked.base_model.encoder.layer, config.canonical(supernet.shape).layers, strict=True
    ):
        _mask_block(block, units)
    torch.testing.assert_close(_logits(masked, tiny_batch()), sliced, atol=EXACT, rtol=0)


def _mask_block(block: Any, units: LayerUnits | None) -> None:
    """Zero what lies behind removed heads and neurons; make removed sub-layers the identity by hooks."""
    if units is None:
        block.register_forward_hook(lambda _, args, __: args[0])
        return
    heads, neurons = indices(units.heads), indices(units.ffn)
    with torch.no_grad():
        for head in set(range(3)) - set(heads):
            block.attention.output.dense.weight[:, 8 * head : 8 * head + 8] = 0
        block.output.dense.weight[:, [n for n in range(20) if n not in neurons]] = 0
    if not heads:
        block.attention.register_forward_hook(lambda _, args, output: (args[0], *output[1:]))
    if not neurons:
        block.output.register_forward_hook(lambda _, args, __: args[1])


@pytest.mark.parametrize("kind", KINDS)
@given(kept=st.sets(st.integers(0, 23), min_size=1, max_size=23))
@settings(max_examples=10)
def test_an_elastic_embedding_equals_masks_with_norms_over_the_kept_channels(
    kind: str, kept: set[int], shared_supernet: MakeSupernet, tiny_batch: Any
) -> None:
    supernet = shared_supernet(kind, dtype="float64")
    config = replace(supernet.full, hidden=tuple(sorted(kept)))
    masked = supernet.extract(supernet.full)
    _mask_channels(masked, sorted(kept), renormalise=True)
    sliced = _elastic_logits(supernet, config, tiny_batch())
    torch.testing.assert_close(_logits(masked, tiny_batch()), sliced, atol=EXACT, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_an_elastic_embedding_is_not_what_zero_masks_alone_give(
    kind: str, shared_supernet: MakeSupernet, tiny_batch: Any
) -> None:
    supernet = shared_supernet(kind, dtype="float64")
    masked = supernet.extract(supernet.full)
    _mask_channels(masked, list(range(12)), renormalise=False)
    sliced = _elastic_logits(supernet, replace(supernet.full, hidden=12), tiny_batch())
    assert (_logits(masked, tiny_batch()) - sliced).abs().max() > 1e-2


def _mask_channels(model: Any, kept: list[int], *, renormalise: bool) -> None:
    """Zero the other channels wherever the residual stream is written."""

    def zero_others(output: torch.Tensor) -> torch.Tensor:
        zeroed = torch.zeros_like(output)
        zeroed[..., kept] = output[..., kept]
        return zeroed

    def norm_over_kept(norm: Any, args: Any, output: torch.Tensor) -> torch.Tensor:
        if not renormalise:
            return zero_others(nn.functional.layer_norm(zero_others(args[0]), (24,), norm.weight, norm.bias))
        x = args[0][..., kept]
        centred = x - x.mean(dim=-1, keepdim=True)
        scale = (centred.square().mean(dim=-1, keepdim=True) + norm.eps).rsqrt()
        zeroed = torch.zeros_like(output)
        zeroed[..., kept] = centred * scale * norm.weight[kept] + norm.bias[kept]
        return zeroed

    for name, module in model.named_modules():
        if isinstance(module, nn.LayerNorm) and module.normalized_shape == (24,):
            module.register_forward_hook(norm_over_kept)
        elif name.endswith(("pooler.dense", "classifier.dense", "embeddings_project")):
            module.register_forward_hook(lambda _, __, output: zero_others(output))


@pytest.mark.parametrize("kind", KINDS)
def test_removing_one_head_of_one_layer_changes_the_logits(
    kind: str, shared_supernet: MakeSupernet, tiny_batch: Any
) -> None:
    supernet = shared_supernet(kind, dtype="float64")
    layers = list(supernet.full.layers)
    layers[1] = LayerUnits(heads=2, ffn=20)
    pruned = _elastic_logits(supernet, replace(supernet.full, layers=tuple(layers)), tiny_batch())
    assert (pruned - _elastic_logits(supernet, supernet.full, tiny_batch())).abs().max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_without_layers_still_answers(
    kind: str, shared_supernet: MakeSupernet, tiny_batch: Any
) -> None:
    supernet = shared_supernet(kind, dtype="float64")
    config = replace(supernet.full, layers=(None, None, None))
    small = supernet.extract(config)
    assert small.config.num_hidden_layers == 0
    torch.testing.assert_close(
        _logits(small, tiny_batch()), _elastic_logits(supernet, config, tiny_batch()), atol=EXACT, rtol=0
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_supernet_of_a_model_computes_what_the_model_computes(
    kind: str, tiny_model: Callable[..., Any], tiny_batch: Any
) -> None:
    model = tiny_model(kind)
    assert torch.equal(_logits(Supernet.from_model(model).model, tiny_batch()), _logits(model, tiny_batch()))


def test_training_mode_applies_dropout_to_the_active_sub_network(
    make_supernet: MakeSupernet, tiny_batch: Any
) -> None:
    supernet = make_supernet()
    config = supernet.space("medium").middle()
    supernet.model.train()
    torch.manual_seed(0)
    with supernet.active(config) as model:
        first, second = (model(**tiny_batch().inputs).logits for _ in range(2))
    assert not torch.equal(first, second)
