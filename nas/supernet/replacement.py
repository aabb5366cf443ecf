"""Weights of a sub-network's own, in place of its slices: what compensation and recovery make."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

import torch

from nas.elastic import cut_size
from nas.errors import ConfigError
from nas.supernet.activation import is_removed
from search_spaces import ModelShape, SubnetConfig, TensorLayout


def checked_replacements(
    weights: Mapping[str, torch.Tensor], config: SubnetConfig, shape: ModelShape
) -> dict[str, torch.Tensor]:
    """The weights by the first name of each, where some are tied.

    Args:
        weights: by the full model's names, each of the size that the sub-network keeps.
        config: canonical.
        shape: of the full model.

    Raises:
        ConfigError: a name that the model does not have, a weight that the sub-network does not keep, or one
            of another size.
    """
    checked: dict[str, torch.Tensor] = {}
    for name, weight in weights.items():
        layout = _layout(name, shape)
        if not is_kept(layout, config):
            raise ConfigError(f"weight {name!r} is not kept by sub-network {config.key}; leave it out")
        wanted = cut_size(layout, config, shape)
        if tuple(weight.shape) != wanted:
            raise ConfigError(
                f"weight {name!r} has shape {tuple(weight.shape)}; "
                f"sub-network {config.key} keeps {wanted} of it"
            )
        checked[layout.tied_to or name] = weight
    return checked


def is_kept(layout: TensorLayout, config: SubnetConfig) -> bool:
    """Whether a sub-network has anything of a weight."""
    if layout.layer is None:
        return True
    units = config.layers[layout.layer]
    if units is None:
        return False
    return layout.part is None or not is_removed(layout.part, units)


def _layout(name: str, shape: ModelShape) -> TensorLayout:
    if name not in shape.by_name:
        near = difflib.get_close_matches(name, shape.by_name, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"the model has no weight {name!r}{hint}")
    return shape.by_name[name]
