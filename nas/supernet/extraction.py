"""A sub-network as a model of its own."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from nas.elastic import clone_structure, cut
from nas.families import Family
from nas.supernet.activation import PARTS, forward_sizes, is_removed
from search_spaces import ModelShape, SubnetConfig, portability
from search_spaces.units import count


def extract(
    model: PreTrainedModel, shape: ModelShape, family: Family, config: SubnetConfig
) -> PreTrainedModel:
    """Copy the kept slices of a full model into a model without the rest.

    A plain sub-network's config states its sizes, so that `save_pretrained` writes an ordinary folder.
    """
    small: Any = clone_structure(model)
    _drop_blocks(small, shape, family, config)
    _copy_weights(small, shape, config, family)
    _own_config(small, shape, family, config)
    return small  # type: ignore[no-any-return]  # the clone of a PreTrainedModel is one


def _drop_blocks(small: nn.Module, shape: ModelShape, family: Family, config: SubnetConfig) -> None:
    blocks = family.layers_of(small)
    every = list(blocks)
    for index in config.kept_layers:
        units = config.layers[index]
        assert units is not None
        for part in PARTS:
            if is_removed(part, units):
                every[index]._modules.update(family.removed(part))
        for path, values in family.attributes(shape.layers[index], units).items():
            every[index].get_submodule(path).__dict__.update(values)
    blocks._modules = {str(new): every[old] for new, old in enumerate(config.kept_layers)}


def _copy_weights(small: nn.Module, shape: ModelShape, config: SubnetConfig, family: Family) -> None:
    """Replace each shared full weight of the clone by a contiguous copy of its kept slice."""
    old_index = dict(enumerate(config.kept_layers))
    prefix = _blocks_path(small, family)
    copies: dict[int, nn.Parameter] = {}
    for path, owner in small.named_modules():
        for name, parameter in owner._parameters.items():
            if parameter is None:
                continue
            if id(parameter) not in copies:
                layout = shape.by_name[_full_name(f"{path}.{name}" if path else name, prefix, old_index)]
                kept = cut(parameter.detach(), layout, config, shape)
                copies[id(parameter)] = nn.Parameter(
                    _own_memory(kept, parameter), requires_grad=parameter.requires_grad
                )
            owner._parameters[name] = copies[id(parameter)]
            _set_sizes(owner, name)


def _own_memory(kept: torch.Tensor, full: torch.Tensor) -> torch.Tensor:
    """A contiguous slice that shares nothing with the full weight; what was gathered is copied already."""
    kept = kept.contiguous()
    is_shared = kept.untyped_storage().data_ptr() == full.untyped_storage().data_ptr()
    return kept.clone() if is_shared else kept


def _full_name(name: str, blocks_path: str, old_index: dict[int, int]) -> str:
    if not name.startswith(blocks_path):
        return name
    index, _, rest = name.removeprefix(blocks_path).partition(".")
    return f"{blocks_path}{old_index[int(index)]}.{rest}"


def _blocks_path(model: nn.Module, family: Family) -> str:
    blocks = family.layers_of(model)
    path: str = next(path for path, module in model.named_modules() if module is blocks)
    return f"{path}."


def _set_sizes(owner: nn.Module, name: str) -> None:
    weight = owner._parameters[name]
    assert weight is not None
    owner.__dict__.update(forward_sizes(owner, name, weight))
    if name == "weight" and isinstance(owner, nn.Linear):
        owner.out_features, owner.in_features = weight.shape
    if name == "weight" and isinstance(owner, nn.Embedding):
        owner.num_embeddings, owner.embedding_dim = weight.shape


def _own_config(small: Any, shape: ModelShape, family: Family, config: SubnetConfig) -> None:
    own = copy.deepcopy(small.config)
    own.num_hidden_layers = len(config.kept_layers)
    if portability(shape, config) == "plain":
        units = config.layers[config.kept_layers[0]]
        assert units is not None
        for name, value in family.plain_sizes(small.config, count(config.hidden), units).items():
            setattr(own, name, value)
    for module in small.modules():
        if "config" in module.__dict__:
            module.__dict__["config"] = own
