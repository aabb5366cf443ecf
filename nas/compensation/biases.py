"""Biases for architectures whose stock class can have them."""

from __future__ import annotations

import copy
from typing import Any, Final

import torch
from torch import nn

from nas.compensation.projections import output_projections
from nas.errors import UnsupportedModelError
from nas.supernet import Supernet

#: Entries of stock configs that give projections biases, e.g. of Llama, Granite, SmolLM3 and StarCoder2.
_ENTRIES: Final = ("attention_bias", "mlp_bias", "use_bias")


def add_output_biases(supernet: Supernet) -> Supernet:
    """A copy of a supernet whose output projections have biases, zero at first: the same function.

    The config states them, so that stock classes load its sub-networks. Stock classes know no bias of an
    output projection alone, so the other projections get one as well; all of them are ordinary weights, which
    are cut and counted.

    Returns:
        The copy; the supernet itself where no bias is missing.

    Raises:
        UnsupportedModelError: the stock class of the architecture cannot have them.
    """
    if all(projection.bias is not None for projection in output_projections(supernet)):
        return supernet
    model: Any = supernet.extract(supernet.full)
    for name in _ENTRIES:
        if hasattr(model.config, name):
            setattr(model.config, name, True)
    for name in _missing_biases(model):
        owner = model.get_submodule(name.rpartition(".")[0])
        like = owner.weight
        bias = torch.zeros(like.shape[0], dtype=like.dtype, device=like.device)
        owner.register_parameter("bias", nn.Parameter(bias, requires_grad=like.requires_grad))
    twin = Supernet(model, task=supernet.task, tokenizer=supernet.tokenizer, provenance=supernet.provenance)
    without = [projection.path for projection in output_projections(twin) if projection.bias is None]
    if without:
        raise UnsupportedModelError(
            f"the stock class of {supernet.shape.model_type} has no bias at {without[0]}; "
            "use compensation lstsq or mask_scale, which need none"
        )
    twin.layer_order, twin.ranking = supernet.layer_order, dict(supernet.ranking)
    twin.calibration, twin.unit_orders = supernet.calibration, supernet.unit_orders
    return twin


def _missing_biases(model: nn.Module) -> list[str]:
    """Biases that the stock class builds with the model's config, and the model lacks."""
    stock: Any = type(model)
    with torch.device("meta"):
        twin: nn.Module = stock(copy.deepcopy(model.config))
    own = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    built = [name for name, _ in twin.named_parameters(remove_duplicate=False) if name not in own]
    return [
        name
        for name in built
        if name.endswith(".bias") and isinstance(model.get_submodule(name.rpartition(".")[0]), nn.Linear)
    ]
