"""Turning a model into one of its sub-networks in place, and back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from nas.elastic import cut
from nas.families import Family
from search_spaces import LayerShape, LayerUnits, ModelShape, SubnetConfig, TensorLayout
from search_spaces.shape import Part
from search_spaces.units import count

PARTS: Final[tuple[Part, ...]] = ("attention", "ffn")


@dataclass(frozen=True, slots=True)
class _Slot:
    """Where a weight hangs in the module tree."""

    owner: nn.Module
    name: str
    parameter: nn.Parameter
    layout: TensorLayout


@dataclass(slots=True)
class _Changes:
    """Entries of module dictionaries with their old and new values, newest last."""

    entries: list[tuple[dict[str, Any], str, Any, Any]] = field(default_factory=list)

    def set(self, table: dict[str, Any], name: str, value: Any) -> None:
        self.entries.append((table, name, table[name], value))
        table[name] = value

    def undo(self) -> None:
        for table, name, old, _ in reversed(self.entries):
            table[name] = old

    def redo(self) -> None:
        for table, name, _, new in self.entries:
            table[name] = new


class ElasticModel:
    """The places of a model that change with its sub-network, looked up once.

    Attributes:
        model: the module tree; the only thing that `active` changes, and it restores it.
        shape: the full model's shape.
    """

    def __init__(self, model: nn.Module, shape: ModelShape, family: Family) -> None:
        self.model = model
        self.shape = shape
        self._family = family
        self._blocks = family.layers_of(model)
        self._block_list = list(self._blocks)
        self._stand_ins = {part: [family.removed(part) for _ in shape.layers] for part in PARTS}
        self._outside, self._inside = self._find_slots()
        self._changes = _Changes()

    @contextmanager
    def active(self, config: SubnetConfig) -> Iterator[nn.Module]:
        """The model as a sub-network for the length of a `with` block.

        Weights become views of the full ones (copies only for index sets that are no prefix), so that
        gradients reach exactly the kept slices. A nested block is a sub-network of the full model too, not
        of the outer sub-network. Not for several threads at once.
        """
        outer, changes = self._changes, _Changes()
        outer.undo()
        self._changes = changes
        try:
            self._apply(config, changes)
            yield self.model
        finally:
            changes.undo()
            self._changes = outer
            outer.redo()

    def _apply(self, config: SubnetConfig, changes: _Changes) -> None:
        cut_weights: dict[int, torch.Tensor] = {}
        hidden_is_full = config.hidden == self.shape.hidden_size
        if not hidden_is_full:
            self._cut_slots(self._outside, config, changes, cut_weights)
        for index in config.kept_layers:
            units = config.layers[index]
            assert units is not None
            full = self.shape.layers[index]
            for part in PARTS:
                if is_removed(part, units):
                    children = self._block_list[index]._modules
                    for name, stand_in in self._stand_ins[part][index].items():
                        changes.set(children, name, stand_in)
                elif not (hidden_is_full and is_whole(part, units, full)):
                    self._cut_slots(self._inside[index][part], config, changes, cut_weights)
            if units.num_attention_heads not in (0, full.num_attention_heads):
                self._set_attributes(index, units, changes)
        if len(config.kept_layers) < len(self._block_list):
            kept = {str(new): self._block_list[old] for new, old in enumerate(config.kept_layers)}
            changes.set(self._blocks.__dict__, "_modules", kept)

    def _cut_slots(
        self, slots: list[_Slot], config: SubnetConfig, changes: _Changes, done: dict[int, torch.Tensor]
    ) -> None:
        for slot in slots:
            weight = done.get(id(slot.parameter))
            if weight is None:
                weight = cut(slot.parameter, slot.layout, config, self.shape)
                done[id(slot.parameter)] = weight
            changes.set(slot.owner._parameters, slot.name, weight)
            for name, value in forward_sizes(slot.owner, slot.name, weight):
                changes.set(slot.owner.__dict__, name, value)

    def _set_attributes(self, index: int, units: LayerUnits, changes: _Changes) -> None:
        block = self._block_list[index]
        for path, values in self._family.attributes(self.shape.layers[index], units).items():
            table = block.get_submodule(path).__dict__
            for name, value in values.items():
                changes.set(table, name, value)

    def _find_slots(self) -> tuple[list[_Slot], list[dict[Part, list[_Slot]]]]:
        outside: list[_Slot] = []
        inside: list[dict[Part, list[_Slot]]] = [{part: [] for part in PARTS} for _ in self.shape.layers]
        for layout in self.shape.tensors:
            path, _, name = layout.name.rpartition(".")
            owner = self.model.get_submodule(path)
            parameter = owner._parameters[name]
            assert parameter is not None
            slot = _Slot(owner, name, parameter, layout)
            if layout.layer is None:
                outside.append(slot)
            else:
                assert layout.part is not None, f"{layout.name} belongs to no sub-layer"
                inside[layout.layer][layout.part].append(slot)
        return outside, inside


def forward_sizes(owner: nn.Module, name: str, weight: torch.Tensor) -> list[tuple[str, Any]]:
    """Attributes that a module's forward reads besides its weights."""
    if name != "weight":
        return []
    if isinstance(owner, nn.LayerNorm):
        return [("normalized_shape", tuple(weight.shape))]
    if isinstance(owner, Conv1D):
        return [("nx", weight.shape[0]), ("nf", weight.shape[1])]
    return []


def is_removed(part: Part, units: LayerUnits) -> bool:
    """Whether a kept block lacks a sub-layer."""
    return (units.num_attention_heads if part == "attention" else count(units.ffn)) == 0


def is_whole(part: Part, units: LayerUnits, full: LayerShape) -> bool:
    """Whether a sub-layer keeps all its units."""
    if part == "attention":
        return units.num_attention_heads == full.num_attention_heads
    return count(units.ffn) == full.intermediate_size
