"""A supernet in transit: its structure without weights, and its weights as plain arrays.

Workers of one node share the arrays, which stay read-only; the structure is small.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from nas.elastic import clone_structure
from nas.supernet import Supernet
from search_spaces import SubnetConfig


@dataclass(frozen=True, kw_only=True)
class Skeleton:
    """Structure of a supernet, picklable.

    Attributes:
        module: its model with weights on the meta device.
        task: what its head is for.
        layer_order: layers from the most to the least important.
    """

    module: Any
    task: str
    layer_order: tuple[int, ...]


def skeleton_of(supernet: Supernet) -> Skeleton:
    """The structure of a supernet, which is left as it is."""
    module = clone_structure(supernet.model)
    _replace_parameters(module, lambda parameter, _: parameter.to("meta"))
    return Skeleton(module=module, task=supernet.task, layer_order=supernet.layer_order)


def arrays_of(supernet: Supernet) -> dict[str, np.ndarray]:
    """Weights by name in float32; they share memory with the supernet where it lies on a CPU."""
    return {
        name: parameter.detach().float().cpu().numpy()
        for name, parameter in supernet.model.named_parameters()
    }


def assemble(
    skeleton: Skeleton, arrays: Mapping[str, np.ndarray], *, dtype: torch.dtype = torch.float32
) -> Supernet:
    """A supernet for evaluation; in float32 its weights are the shared arrays themselves."""
    module = clone_structure(skeleton.module)
    _replace_parameters(module, lambda _, name: _read_only_tensor(arrays[name]).to(dtype))
    supernet = Supernet(module, task=skeleton.task)  # type: ignore[arg-type]  # clone of a PreTrainedModel
    supernet.layer_order = skeleton.layer_order
    return supernet


def random_model(skeleton: Skeleton, config: SubnetConfig, *, dtype: torch.dtype, device: str) -> nn.Module:
    """A sub-network with random weights: latency does not depend on their values.

    Values are drawn small enough that none turns subnormal or infinite, which would be slower.
    """
    small: nn.Module = Supernet(skeleton.module, task=skeleton.task).extract(config)
    generator = torch.Generator().manual_seed(0)

    def draw(parameter: torch.Tensor, name: str) -> torch.Tensor:
        if parameter.ndim < 2 and name.endswith("weight"):
            return torch.ones(parameter.shape, dtype=dtype, device=device)
        values = torch.empty(parameter.shape).normal_(0.0, 0.02, generator=generator)
        return values.to(device=device, dtype=dtype)

    _replace_parameters(small, draw)
    for buffers in (module._buffers for module in small.modules()):
        buffers.update({name: None if b is None else b.to(device) for name, b in buffers.items()})
    return small.eval().requires_grad_(requires_grad=False)


def _replace_parameters(module: nn.Module, make: Any) -> None:
    """Put `make(parameter, name)` in place of each parameter; tied ones stay tied."""
    made: dict[int, nn.Parameter] = {}
    for path, owner in module.named_modules():
        for name, parameter in owner._parameters.items():
            if parameter is None:
                continue
            if id(parameter) not in made:
                full_name = f"{path}.{name}" if path else name
                value = make(parameter.detach(), full_name)
                made[id(parameter)] = nn.Parameter(value, requires_grad=False)
            owner._parameters[name] = made[id(parameter)]


def _read_only_tensor(array: np.ndarray) -> torch.Tensor:
    """A tensor on an array's memory; evaluation never writes to it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)
