"""A supernet in transit: its structure without weights, and its weights as plain arrays.

Workers of one node share the arrays, which stay read-only; the structure is small. Weights keep the precision
of the supernet unless another is asked for; then they are converted once, by the driver, for all workers.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from nas.elastic import clone_structure
from nas.supernet import Supernet
from search_spaces import SubnetConfig
from workers import Shared, mapped


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
    """Weights by name; they share memory with the supernet where it lies on a CPU.

    numpy has no bfloat16: such weights are uint16 arrays of their bits.
    """
    return {name: _array(parameter) for name, parameter in supernet.model.named_parameters()}


def shared_weights(supernet: Supernet, dtype: torch.dtype | None = None) -> Shared:
    """What a pool should hand to its workers, in the supernet's precision unless told otherwise.

    A supernet as it was loaded is given by its file, which workers map. Converted weights are made one at a
    time, whenever they are looked up.
    """
    file = supernet.file
    as_stored: Shared = arrays_of(supernet) if file is None else file.regions
    if dtype is None or all(parameter.dtype == dtype for parameter in supernet.model.parameters()):
        return as_stored
    return _Converted(as_stored, lambda source: _array(_tensor(source).to(dtype)))


def assemble(
    skeleton: Skeleton, arrays: Mapping[str, np.ndarray], *, dtype: torch.dtype | None = None
) -> Supernet:
    """A supernet for evaluation; unless another precision is asked for, its weights are the arrays."""
    module = clone_structure(skeleton.module)
    _replace_parameters(module, lambda _, name: _tensor(arrays[name]).to(dtype))
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


class _Converted(Mapping[str, np.ndarray]):
    """Arrays of another precision, each made when it is looked up: never all of them exist at once."""

    def __init__(self, sources: Shared, convert: Callable[[np.ndarray], np.ndarray]) -> None:
        self._sources = sources
        self._convert = convert

    def __getitem__(self, name: str) -> np.ndarray:
        return self._convert(mapped({name: self._sources[name]})[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)


def _array(parameter: torch.Tensor) -> np.ndarray:
    values = parameter.detach().cpu()
    array: np.ndarray = (values.view(torch.uint16) if values.dtype == torch.bfloat16 else values).numpy()
    return array


def _tensor(array: np.ndarray) -> torch.Tensor:
    """A tensor on an array's memory; evaluation never writes to it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        tensor = torch.from_numpy(array)
    return tensor.view(torch.bfloat16) if tensor.dtype == torch.uint16 else tensor
