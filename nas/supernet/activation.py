"""Turning a model into one of its sub-networks in place, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from nas.elastic import cut
from nas.families import Family, sizes_of
from nas.families.family import Attribute
from search_spaces import LayerShape, LayerUnits, ModelShape, SubnetConfig, TensorLayout
from search_spaces.shape import Part
from search_spaces.units import count

PARTS: Final[tuple[Part, ...]] = ("attention", "ffn")
#: Stands for an entry that a dictionary does not have yet.
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class _Slot:
    """Where a weight hangs in the module tree."""

    owner: nn.Module
    name: str
    parameter: nn.Parameter
    layout: TensorLayout


@dataclass(slots=True)
class _Changes:
    """Entries of dictionaries with their old and new values, newest last."""

    entries: list[tuple[dict[str, Any], str, Any, Any]] = field(default_factory=list)

    def set(self, table: dict[str, Any], name: str, value: Any) -> None:
        self.entries.append((table, name, table.get(name, _ABSENT), value))
        table[name] = value

    def undo(self) -> None:
        for table, name, old, _ in reversed(self.entries):
            if old is _ABSENT:
                del table[name]
            else:
                table[name] = old

    def redo(self) -> None:
        for table, name, _, new in self.entries:
            table[name] = new


class Resized:
    """An object with sizes of its own; all else is read from the original, so that changes there show here.

    A copy would go on with the attention implementation that the model's config had when it was made.
    """

    original: Any

    def __init__(self, original: Any, sizes: Mapping[str, int]) -> None:
        self.__dict__.update(sizes, original=original)

    def __getattr__(self, name: str) -> Any:
        """What is not resized; called for attributes that are not found here."""
        if name.startswith("__") or name == "original":  # while it is copied it has none yet
            raise AttributeError(name)
        return getattr(self.original, name)


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
        self._stacks = family.stacks_of(model)
        self._blocks = family.layers_of(model)
        self._stand_ins = [
            {part: _stand_ins(block, family.block_of(shape, index).removed[part]) for part in PARTS}
            for index, block in enumerate(self._blocks)
        ]
        self._indexed = [indexed_modules(block) for block in self._blocks]
        self._configs = list(configs_of(model).values())
        self._outside, self._inside = self._find_slots()
        self._by_name = self._slots_by_name()
        self._changes = _Changes()

    @property
    def is_changed(self) -> bool:
        """Whether a sub-network is active that is not the full model."""
        return bool(self._changes.entries)

    @contextmanager
    def active(
        self, config: SubnetConfig, weights: Mapping[str, torch.Tensor] | None = None
    ) -> Iterator[nn.Module]:
        """The model as a sub-network for the length of a `with` block.

        Weights become views of the full ones (copies only for index sets that are no prefix, and for fused
        projections), so that gradients reach exactly the kept slices. A nested block is a sub-network of
        the full model too, not of the outer sub-network. Not for several threads at once.

        Args:
            config: a canonical sub-network.
            weights: of its own in place of slices, as `checked_replacements` gives them.
        """
        outer, changes = self._changes, _Changes()
        outer.undo()
        self._changes = changes
        try:
            self._apply(config, changes)
            self._replace(weights or {}, changes)
            yield self.model
        finally:
            changes.undo()
            self._changes = outer
            outer.redo()

    @contextmanager
    def cut_also(self, layouts: Sequence[TensorLayout]) -> Iterator[None]:
        """Weights that were added to the module tree, e.g. adapters, are cut too until the block ends."""
        added = [self._slot(layout) for layout in layouts]
        places = [
            self._outside if slot.layout.layer is None else self._inside[slot.layout.layer][slot.layout.part]
            for slot in added
        ]
        for place, slot in zip(places, added, strict=True):
            place.append(slot)
        try:
            yield
        finally:
            for place, slot in zip(places, added, strict=True):
                place.remove(slot)

    def _apply(self, config: SubnetConfig, changes: _Changes) -> None:
        cut_weights: dict[int, torch.Tensor] = {}
        hidden_is_full = config.hidden == self.shape.hidden_size
        if not hidden_is_full:
            self._cut_slots(self._outside, config, changes, cut_weights)
        for index in config.kept_layers:
            units = config.layers[index]
            assert units is not None
            full = self.shape.layers[index]
            slots = self._inside[index]
            if not hidden_is_full:
                self._cut_slots(slots[None], config, changes, cut_weights)
            for part in PARTS:
                if is_removed(part, units):
                    for table, name, stand_in in self._stand_ins[index][part]:
                        changes.set(table, name, stand_in)
                elif not (hidden_is_full and is_whole(part, units, full)):
                    self._cut_slots(slots[part], config, changes, cut_weights)
            if not is_removed("attention", units) and not is_whole("attention", units, full):
                self._set_attributes(index, units, changes)
        if len(config.kept_layers) < len(self._blocks):
            self._drop_blocks(config, changes)

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

    def _replace(self, weights: Mapping[str, torch.Tensor], changes: _Changes) -> None:
        for name, given in weights.items():
            for slot in self._by_name[name]:
                weight = given.to(slot.parameter.device, slot.parameter.dtype)
                changes.set(slot.owner._parameters, slot.name, weight)

    def _set_attributes(self, index: int, units: LayerUnits, changes: _Changes) -> None:
        attributes = self._family.block_of(self.shape, index).attributes
        for owner, values in block_attributes(
            self._blocks[index], attributes, self.shape.layers[index], units
        ):
            for name, value in values.items():
                changes.set(owner.__dict__, name, value)

    def _drop_blocks(self, config: SubnetConfig, changes: _Changes) -> None:
        kept = kept_by_stack(self.shape, config)
        for stack, full, indices in zip(self._stacks, self.shape.stacks, kept, strict=True):
            children = {str(new): self._blocks[full.start + old] for new, old in enumerate(indices)}
            changes.set(stack.__dict__, "_modules", children)
            for new, old in enumerate(indices):
                stand_ins = self._stand_ins[full.start + old].values()
                removed = [module for part in stand_ins for _, _, module in part]
                for module in (*self._indexed[full.start + old], *removed):
                    if "layer_idx" in module.__dict__:
                        changes.set(module.__dict__, "layer_idx", new)
        for own in self._configs:
            names = getattr(own, "attribute_map", {})
            for name, value in self._family.depth(own, kept).items():
                changes.set(own.__dict__, names.get(name, name), value)

    def _find_slots(self) -> tuple[list[_Slot], list[dict[Part | None, list[_Slot]]]]:
        outside: list[_Slot] = []
        inside: list[dict[Part | None, list[_Slot]]] = [
            {part: [] for part in (None, *PARTS)} for _ in self.shape.layers
        ]
        for layout in self.shape.tensors:
            (outside if layout.layer is None else inside[layout.layer][layout.part]).append(
                self._slot(layout)
            )
        return outside, inside

    def _slot(self, layout: TensorLayout) -> _Slot:
        path, _, name = layout.name.rpartition(".")
        owner = self.model.get_submodule(path)
        parameter = owner._parameters[name]
        assert parameter is not None
        return _Slot(owner, name, parameter, layout)

    def _slots_by_name(self) -> dict[str, list[_Slot]]:
        """Every slot of a weight by its first name: tied weights hang in several places."""
        by_name: dict[str, list[_Slot]] = {}
        inside = [slot for parts in self._inside for slots in parts.values() for slot in slots]
        for slot in (*self._outside, *inside):
            by_name.setdefault(slot.layout.tied_to or slot.layout.name, []).append(slot)
        return by_name


def _stand_ins(
    block: nn.Module, classes: Mapping[str, type[nn.Module]]
) -> list[tuple[dict[str, Any], str, nn.Module]]:
    """Where the stand-ins of a removed sub-layer go: the parents' children, the name, the stand-in."""
    places = []
    for path, stand_in in classes.items():
        parent, _, name = path.rpartition(".")
        module = stand_in()
        layers = [m.layer_idx for m in block.modules() if "layer_idx" in m.__dict__]
        if hasattr(module, "layer_idx") and layers:
            module.__dict__["layer_idx"] = layers[0]
        places.append((block.get_submodule(parent)._modules, name, module))
    return places


def remove_part(block: nn.Module, classes: Mapping[str, type[nn.Module]]) -> None:
    """Put the stand-ins of a removed sub-layer in place for good."""
    for table, name, stand_in in _stand_ins(block, classes):
        table[name] = stand_in


def indexed_modules(block: nn.Module) -> list[nn.Module]:
    """Modules that know the index of their block, which is that of their key-value cache."""
    return [module for module in block.modules() if "layer_idx" in module.__dict__]


def configs_of(model: nn.Module) -> dict[int, Any]:
    """Every config object of a model's modules by identity: a stack may have its own."""
    configs = (module.__dict__["config"] for module in model.modules() if "config" in module.__dict__)
    return {id(config): config for config in configs}


def kept_by_stack(shape: ModelShape, config: SubnetConfig) -> list[list[int]]:
    """Kept blocks of each stack, by index in the stack."""
    return [[i - stack.start for i in config.kept_layers if i in stack] for stack in shape.stacks]


def block_attributes(
    block: nn.Module,
    attributes: Mapping[str, Mapping[str, Attribute]],
    full: LayerShape,
    units: LayerUnits,
) -> Iterator[tuple[nn.Module, dict[str, Any]]]:
    """Modules of a block with the attributes that they need for the kept units."""
    sizes = sizes_of(full, units)
    for path, values in attributes.items():
        owner = block.get_submodule(path)
        found: dict[str, Any] = {}
        for name, value in values.items():
            if isinstance(value, str):
                found[name] = sizes[value]
                continue
            found[name] = Resized(getattr(owner, name), {key: sizes[size] for key, size in value.items()})
        yield owner, found


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
