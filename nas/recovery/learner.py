"""The private copy that a recovery trains, so that the supernet itself is never changed."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch

from nas.elastic import cut
from nas.supernet import Supernet
from nas.supernet.replacement import checked_replacements
from search_spaces import SubnetConfig


def learner_of(
    supernet: Supernet, config: SubnetConfig, weights: Mapping[str, torch.Tensor] | None = None
) -> Supernet:
    """A copy of a supernet, one of whose sub-networks has weights of its own.

    Args:
        supernet: left as it is.
        config: the sub-network.
        weights: by the full model's names, each of the size that the sub-network keeps.

    Raises:
        ConfigError: a weight that the sub-network does not have, or has in another size.
    """
    learner = _copy(supernet)
    config = config.canonical(supernet.shape)
    own = checked_replacements(weights, config, supernet.shape) if weights else {}
    parameters = dict(learner.model.named_parameters(remove_duplicate=False))
    for name, weight in own.items():
        _write(parameters[name].detach(), weight, learner, config, name)
    return learner


def fresh_learner(supernet: Supernet, *, seed: int) -> Supernet:
    """A copy of a supernet with random weights, drawn as its class draws them for a model to be trained."""
    learner = _copy(supernet)
    made: Any = type(supernet.model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = made(copy.deepcopy(supernet.model.config))
    drawn = dict(fresh.named_parameters(remove_duplicate=False))
    with torch.no_grad():
        for name, parameter in learner.model.named_parameters():
            # The stock class lacks the output biases that a compensated supernet may have.
            parameter.copy_(drawn[name]) if name in drawn else parameter.zero_()
    return learner


def _copy(supernet: Supernet) -> Supernet:
    model = supernet.extract(supernet.full)
    learner = Supernet(
        model, task=supernet.task, tokenizer=supernet.tokenizer, provenance=supernet.provenance
    )
    learner.layer_order = supernet.layer_order
    learner.ranking = dict(supernet.ranking)
    return learner


def _write(
    full: torch.Tensor, weight: torch.Tensor, owner: Supernet, config: SubnetConfig, name: str
) -> None:
    """Put a sub-network's weight into its places in the full one."""
    layout = owner.shape.by_name[name]
    kept = cut(full, layout, config, owner.shape)
    if kept.untyped_storage().data_ptr() == full.untyped_storage().data_ptr():
        kept.copy_(weight)
        return
    places = cut(torch.arange(full.numel()).reshape(full.shape), layout, config, owner.shape)
    full.view(-1)[places.reshape(-1)] = weight.reshape(-1).to(full)
