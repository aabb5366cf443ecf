"""A clone shares parameters and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from nas.elastic import clone_structure

MakeModel = Callable[..., Any]


class _Shared(nn.Module):
    """One layer and one buffer at two places, and containers of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 2)
        self.second = self.first
        self.register_buffer("mask", torch.ones(2), persistent=False)
        self.register_buffer("same_mask", self.mask, persistent=False)
        self.names = ["first"]


def test_a_clone_shares_every_parameter(tiny_model: MakeModel) -> None:
    model = tiny_model()
    clone = clone_structure(model)
    assert type(clone) is type(model)
    pairs = zip(model.named_parameters(), clone.named_parameters(), strict=True)
    assert all(name == other_name and a is b for (name, a), (other_name, b) in pairs)


def test_a_clone_has_modules_and_buffers_of_its_own(tiny_model: MakeModel) -> None:
    model = tiny_model()
    clone = clone_structure(model)
    assert not {id(module) for module in model.modules()} & {id(module) for module in clone.modules()}
    own = {buffer.data_ptr() for buffer in model.buffers()}
    assert own
    assert not own & {buffer.data_ptr() for buffer in clone.buffers()}


def test_a_hook_on_the_clone_does_not_run_in_the_original(tiny_model: MakeModel, tiny_batch: Any) -> None:
    model = tiny_model()
    clone = clone_structure(model)
    calls: list[nn.Module] = []
    clone.get_submodule("bert.encoder").register_forward_hook(lambda module, *_: calls.append(module))
    model(**tiny_batch().inputs)
    assert calls == []


def test_replacing_a_part_of_the_clone_leaves_the_original_alone(
    tiny_model: MakeModel, tiny_batch: Any
) -> None:
    model = tiny_model()
    before = model(**tiny_batch().inputs).logits
    clone: Any = clone_structure(model)
    clone.bert.encoder.layer = nn.ModuleList(list(clone.bert.encoder.layer)[:1])
    clone.bert.embeddings.word_embeddings.weight = nn.Parameter(torch.zeros(40, 24))
    clone.bert.embeddings.register_buffer("extra", torch.ones(1), persistent=False)
    assert torch.equal(model(**tiny_batch().inputs).logits, before)
    assert "extra" not in model.bert.embeddings._non_persistent_buffers_set


def test_what_is_shared_inside_a_module_stays_shared_inside_its_clone() -> None:
    module = _Shared()
    clone: Any = clone_structure(module)
    assert clone.first is clone.second
    assert clone.mask is clone.same_mask
    assert clone.names == ["first"]
    assert clone.names is not module.names


def test_a_clone_trains_apart_in_mode_but_together_in_weights(tiny_model: MakeModel) -> None:
    model = tiny_model()
    clone = clone_structure(model).train()
    assert clone.training
    assert not any(module.training for module in model.modules())
