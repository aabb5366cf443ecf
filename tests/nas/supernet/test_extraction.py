"""An extracted model stands on its own, and the model that a user gave is left as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from nas.errors import ConfigError
from nas.supernet import Supernet
from search_spaces import LayerUnits, SubnetConfig

MakeSupernet = Callable[..., Supernet]
MakeModel = Callable[..., Any]

PLAIN = SubnetConfig(hidden=16, layers=(LayerUnits(heads=2, ffn=7), None, LayerUnits(heads=2, ffn=7)))


def _storages(model: Any) -> set[int]:
    tensors = [*model.parameters(), *model.buffers()]
    return {tensor.untyped_storage().data_ptr() for tensor in tensors}


@pytest.mark.parametrize("kind", ["bert", "roberta", "electra", "electra_projected"])
@pytest.mark.parametrize("config", [PLAIN, None], ids=["sub-network", "full"])
def test_an_extracted_model_shares_no_memory(
    kind: str, config: SubnetConfig | None, make_supernet: MakeSupernet
) -> None:
    supernet = make_supernet(kind)
    small = supernet.extract(config or supernet.full)
    assert not _storages(small) & _storages(supernet.model)
    assert all(parameter.is_contiguous() for parameter in small.parameters())


def test_training_an_extracted_model_leaves_the_supernet_alone(
    make_supernet: MakeSupernet, tiny_batch: Any
) -> None:
    supernet = make_supernet()
    before = {name: value.clone() for name, value in supernet.model.state_dict().items()}
    small = supernet.extract(PLAIN)
    small(**tiny_batch().inputs).logits.sum().backward()
    torch.optim.SGD(small.parameters(), lr=1.0).step()
    after = supernet.model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert all(parameter.grad is None for parameter in supernet.model.parameters())


def test_a_plain_sub_network_states_its_sizes_in_its_config(make_supernet: MakeSupernet) -> None:
    small = make_supernet().extract(PLAIN)
    config: Any = small.config
    assert (config.hidden_size, config.num_attention_heads) == (16, 2)
    assert (config.intermediate_size, config.num_hidden_layers) == (7, 2)
    assert all(m.config is config for m in small.modules() if hasattr(m, "config"))


def test_electra_without_a_projection_narrows_its_embeddings_with_the_residual_stream(
    make_supernet: MakeSupernet,
) -> None:
    assert make_supernet("electra").extract(PLAIN).config.embedding_size == 16
    narrow = replace(PLAIN, hidden=8, layers=(LayerUnits(heads=1, ffn=7), None, None))
    assert make_supernet("electra_projected").extract(narrow).config.embedding_size == 16


def test_the_config_of_the_supernet_keeps_the_full_sizes(make_supernet: MakeSupernet) -> None:
    supernet = make_supernet()
    before = supernet.model.config.to_dict()
    supernet.extract(PLAIN)
    assert supernet.model.config.to_dict() == before


def test_modules_of_an_extracted_model_state_their_sizes(make_supernet: MakeSupernet) -> None:
    block: Any = make_supernet().extract(PLAIN).base_model.encoder.layer[0]
    assert (block.intermediate.dense.in_features, block.intermediate.dense.out_features) == (16, 7)
    assert block.output.LayerNorm.normalized_shape == (16,)
    assert block.attention.self.num_attention_heads == 2
    assert block.attention.self.all_head_size == 16


def test_tied_weights_stay_tied(tiny_model: MakeModel) -> None:
    model = tiny_model()
    block = model.bert.encoder.layer[0].attention.self
    block.value.weight = block.key.weight
    supernet = Supernet.from_model(model)
    small: Any = supernet.extract(PLAIN)
    for owner in (supernet.model, small):
        attention = owner.bert.encoder.layer[0].attention.self
        assert attention.value.weight is attention.key.weight
    supernet.rank("random", seed=1)
    with supernet.active(PLAIN) as active:
        attention = active.get_submodule("bert.encoder.layer.0.attention.self")
        assert attention.value.weight is attention.key.weight


def test_frozen_weights_are_frozen_in_the_extracted_model(tiny_model: MakeModel) -> None:
    model = tiny_model()
    model.bert.embeddings.word_embeddings.weight.requires_grad_(False)
    small: Any = Supernet.from_model(model).extract(PLAIN)
    assert not small.bert.embeddings.word_embeddings.weight.requires_grad
    assert small.bert.embeddings.position_embeddings.weight.requires_grad


def test_the_user_s_model_is_unchanged_by_all_that_is_done_to_its_supernet(
    tiny_model: MakeModel, tiny_batch: Any
) -> None:
    model = tiny_model().train()
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    modules = [(path, id(module), module.training) for path, module in model.named_modules()]
    config = model.config.to_dict()
    supernet = Supernet.from_model(model)
    supernet.rank("default", [tiny_batch()])
    with supernet.active(PLAIN) as active:
        active(**tiny_batch().inputs).logits.sum().backward()
    torch.optim.SGD(supernet.model.parameters(), lr=1.0).step()
    after = model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in weights.items())
    assert [(path, id(module), module.training) for path, module in model.named_modules()] == modules
    assert all(parameter.grad is None for parameter in model.parameters())
    assert model.config.to_dict() == config


def test_a_supernet_begins_in_evaluation_mode(tiny_model: MakeModel) -> None:
    assert not any(m.training for m in Supernet.from_model(tiny_model().train()).model.modules())


def test_an_unknown_task_is_refused(tiny_model: MakeModel) -> None:
    with pytest.raises(ConfigError, match=r"unknown task 'ranking'; allowed are sequence-classification"):
        Supernet.from_model(tiny_model(), task="ranking")
