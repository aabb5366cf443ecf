"""A sub-network with weights of its own in place of slices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from nas.errors import ConfigError
from nas.supernet import Supernet
from search_spaces import LayerUnits, SubnetConfig

MakeSupernet = Callable[..., Supernet]

#: Without a layer, without an attention sub-layer, and cut in all dimensions.
CUT = SubnetConfig(hidden=10, layers=(LayerUnits(heads=1, ffn=7), None, LayerUnits(heads=0, ffn=5)))
KINDS = ["bert", "gpt2", "llama"]


def _changed(supernet: Supernet, config: SubnetConfig) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return {
        name: weight + 0.1 * torch.randn(weight.shape, generator=generator)
        for name, weight in supernet.slices(config).items()
    }


def _logits(model: Any, batch: Any) -> torch.Tensor:
    with torch.no_grad():
        logits: torch.Tensor = model(**batch.inputs).logits
    return logits


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("config", [CUT, None], ids=["cut", "full"])
def test_active_and_extracted_models_with_the_same_weights_are_equal(
    kind: str, config: SubnetConfig | None, make_supernet: MakeSupernet, tiny_batch: Any
) -> None:
    supernet, batch = make_supernet(kind, pad_token_id=1), tiny_batch()
    config = config or supernet.full
    weights = _changed(supernet, config)
    with supernet.active(config) as model:
        plain = _logits(model, batch)
    with supernet.active(config, weights) as model:
        active = _logits(model, batch)
    extracted = _logits(supernet.extract(config, weights), batch)
    torch.testing.assert_close(active, extracted, atol=1e-6, rtol=0)
    assert not torch.allclose(active, plain, atol=1e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_slices_put_back_change_nothing(kind: str, make_supernet: MakeSupernet, tiny_batch: Any) -> None:
    supernet, batch = make_supernet(kind, pad_token_id=1), tiny_batch()
    with supernet.active(CUT) as model:
        before = _logits(model, batch)
    with supernet.active(CUT, supernet.slices(CUT)) as model:
        assert torch.equal(_logits(model, batch), before)


def test_weights_of_its_own_end_with_the_block(make_supernet: MakeSupernet, tiny_batch: Any) -> None:
    supernet, batch = make_supernet(), tiny_batch()
    before, sha256 = _logits(supernet.model, batch), supernet.sha256
    with supernet.active(CUT, _changed(supernet, CUT)):
        pass
    assert torch.equal(_logits(supernet.model, batch), before)
    assert supernet.sha256 == sha256


def test_an_extracted_model_copies_the_given_weights(make_supernet: MakeSupernet) -> None:
    supernet = make_supernet()
    weights = _changed(supernet, CUT)
    given = {weight.untyped_storage().data_ptr() for weight in weights.values()}
    small = supernet.extract(CUT, weights)
    assert not given & {parameter.untyped_storage().data_ptr() for parameter in small.parameters()}


def test_tied_weights_are_replaced_in_all_their_places() -> None:
    sizes = {"n_embd": 24, "n_layer": 3, "n_head": 3, "n_inner": 20, "vocab_size": 40, "n_positions": 24}
    ends = {"bos_token_id": 1, "eos_token_id": 1}
    supernet = Supernet(GPT2LMHeadModel(GPT2Config(**sizes, **ends)), task="causal-lm")
    own = torch.randn(40, 10)
    with supernet.active(CUT, {"lm_head.weight": own}) as model:
        assert torch.equal(model.lm_head.weight, own)
        assert torch.equal(model.transformer.wte.weight, own)
    assert torch.equal(supernet.extract(CUT, {"lm_head.weight": own}).transformer.wte.weight, own)


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("bert.encoder.layer.0.output.dense.weigth", (10, 7), "did you mean 'bert.encoder.layer.0.output"),
        ("bert.encoder.layer.1.output.dense.weight", (10, 7), "not kept by sub-network"),
        ("bert.encoder.layer.2.attention.output.dense.bias", (10,), "not kept by sub-network"),
        ("bert.encoder.layer.0.output.dense.weight", (10, 8), r"has shape \(10, 8\); .* keeps \(10, 7\)"),
    ],
)
def test_a_weight_that_the_sub_network_does_not_have_is_refused(
    name: str, size: tuple[int, ...], message: str, make_supernet: MakeSupernet
) -> None:
    supernet = make_supernet()
    with pytest.raises(ConfigError, match=message):
        supernet.active(CUT, {name: torch.zeros(size)})
    with pytest.raises(ConfigError, match=message):
        supernet.extract(CUT, {name: torch.zeros(size)})
