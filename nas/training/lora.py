"""Low-rank adapters, made and merged by peft, and cut along with the active sub-network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from nas.errors import ConfigError
from nas.supernet import Supernet
from nas.training.options import Lora
from search_spaces import Segment, TensorLayout

_NAME: Final = "default"


@contextmanager
def adapted(supernet: Supernet, lora: Lora, *, seed: int = 0) -> Iterator[dict[str, nn.Parameter]]:
    """Adapters in the supernet's model for the length of the block, at whose end they are merged.

    An adapter's matrices lie on the axes of the weight beside them: A is cut by its inputs, B by its outputs,
    so that a sub-network has the adapter of its slices and gradients reach those alone.

    Yields:
        The adapters' weights by name. They start as no change at all.

    Raises:
        ConfigError: targets that match no linear layer, or something else.
    """
    layouts = _targets(supernet, lora)
    model, wanted = supernet.model, [p for p in supernet.model.parameters() if p.requires_grad]
    with torch.random.fork_rng(devices=[]):  # peft draws on the CPU
        torch.manual_seed(seed)
        tuner = _inject(model, lora, layouts)
    adapters = [cut for layout in layouts.values() for cut in _adapter_layouts(model, layout, lora.rank)]
    try:
        for parameter in wanted:
            parameter.requires_grad_(True)
        with supernet.cut_also(adapters):
            named = dict(model.named_parameters())
            yield {layout.name: named[layout.name] for layout in adapters}
    finally:
        tuner.merge_and_unload()
        for parameter in wanted:
            parameter.requires_grad_(True)
        # Merging writes past the counters by which the supernet knows that its weights changed.
        torch.autograd.graph.increment_version(list(model.parameters()))


def _targets(supernet: Supernet, lora: Lora) -> dict[str, TensorLayout]:
    """Layouts of the weights that get an adapter, by the path of their layer."""
    found: dict[str, TensorLayout] = {}
    for layout in supernet.shape.tensors:
        path, _, name = layout.name.rpartition(".")
        is_linear = type(supernet.model.get_submodule(path)) in (nn.Linear, Conv1D)
        if not is_linear or name != "weight" or layout.tied_to is not None:
            continue
        if any(target in path for target in lora.targets) or (not lora.targets and layout.layer is not None):
            found[path] = layout
    for target in lora.targets:
        if not any(target in path for path in found):
            raise ConfigError(
                f"lora: targets: {target!r} is in no linear layer's name, and adapters go on linear layers "
                f"only; they look like {next(t.name for t in supernet.shape.tensors if t.part)}"
            )
    return found


def _inject(model: Any, lora: Lora, layouts: dict[str, TensorLayout]) -> Any:
    try:
        from peft import LoraConfig
        from peft.tuners.lora import LoraModel
    except ImportError as error:
        raise ConfigError("trainable: lora needs peft; pip install 'subnas[train]'") from error
    is_transposed = any(isinstance(model.get_submodule(path), Conv1D) for path in layouts)
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]  # peft divides it by the rank
        lora_dropout=lora.dropout,
        target_modules=list(layouts),
        fan_in_fan_out=is_transposed,
    )
    return LoraModel(model, config, _NAME)


def _adapter_layouts(model: nn.Module, layout: TensorLayout, rank: int) -> list[TensorLayout]:
    path = layout.name.removesuffix(".weight")
    inputs, outputs = layout.dims[1], layout.dims[0]
    if isinstance(model.get_submodule(path + ".base_layer"), Conv1D):
        inputs, outputs = outputs, inputs
    inner = (Segment("fixed", rank),)
    return [
        replace(layout, name=f"{path}.lora_A.{_NAME}.weight", dims=(inner, inputs)),
        replace(layout, name=f"{path}.lora_B.{_NAME}.weight", dims=(outputs, inner)),
    ]
