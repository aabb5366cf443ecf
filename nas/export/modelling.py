"""The modelling file of a custom-code sub-network: our extraction, replayed without this project.

Everything in it that depends on an architecture comes from the family's description, so that what extraction
can cut, an export can rebuild.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from importlib import resources
from string import Template
from typing import Any, Final, TypeAlias

from torch import nn
from transformers import PreTrainedModel

from nas.errors import UnsupportedModelError
from nas.families import Block, Family, base_prefix
from search_spaces import ModelShape, TensorLayout

#: For each dimension the runs of (axis, elements a unit) along it, or None where all of it is kept.
_Axes: TypeAlias = list[list[tuple[str, int]] | None]
_WIDTH: Final = 100
_CLASS: Final = '''class Subnet{name}(CutModel, {name}):
    """The stock class with blocks of their own sizes."""
'''


def modelling_name(model_type: str) -> str:
    """Name of the modelling file of an architecture."""
    return f"modeling_subnet_{model_type}.py"


def model_classes(model: PreTrainedModel) -> tuple[type[PreTrainedModel], ...]:
    """The class of a model, and that of the model below its head where it has one."""
    classes = dict.fromkeys((type(model.base_model), type(model)))
    return tuple(cls for cls in classes if issubclass(cls, PreTrainedModel))


def modelling_source(model: PreTrainedModel, shape: ModelShape, family: Family) -> str:
    """Text of the modelling file of a full model; its weights are not looked at.

    Raises:
        UnsupportedModelError: a class of its own, or blocks of one stack whose weights lie differently.
    """
    classes = model_classes(model)
    config_class = type(model.config)
    for cls in (*classes, config_class):
        if not cls.__module__.startswith("transformers.models."):
            raise UnsupportedModelError(
                f"a custom-code sub-network of {cls.__module__}.{cls.__name__} cannot be exported: only "
                "classes of transformers are found where it is loaded; search with portability: plain instead"
            )
    template = resources.files("nas.export") / "templates" / "modeling_subnet.py.txt"
    return Template(template.read_text(encoding="utf-8")).substitute(
        class_name=type(model).__name__,
        model_type=shape.model_type,
        config_module=config_class.__module__,
        config_class=config_class.__name__,
        model_module=type(model).__module__,
        imported=", ".join(sorted(cls.__name__ for cls in classes)),
        stand_ins="\n\n".join(inspect.getsource(cls) for cls in _stand_ins(family)).rstrip(),
        tables=_tables(model, shape, family),
        classes="\n\n".join(_CLASS.format(name=cls.__name__) for cls in classes).rstrip(),
    )


def _stand_ins(family: Family) -> list[type[nn.Module]]:
    """The stand-ins that blocks of a family need, and their bases before them."""
    used = {cls for block in family.blocks for part in block.removed.values() for cls in part.values()}
    own = {base for cls in used for base in cls.__mro__ if base.__module__ == cls.__module__}
    return sorted(own, key=lambda cls: (len(cls.__mro__), cls.__name__))


def _tables(model: PreTrainedModel, shape: ModelShape, family: Family) -> str:
    prefix = base_prefix(model)
    stacks = [
        {
            "path": block.path,
            "axes": _block_axes(shape, block, prefix, layers),
            "attributes": {path: dict(values) for path, values in block.attributes.items()},
            "removed": {part: dict(classes) for part, classes in block.removed.items()},
        }
        for block, layers in zip(family.blocks, shape.stacks, strict=True)
    ]
    outside = {t.name.removeprefix(prefix): _axes(t) for t in shape.tensors if t.layer is None}
    lines = [f"STACKS = {_literal(stacks)}", f"OUTSIDE = {_literal(_cut_ones(outside))}"]
    return "\n\n".join(lines)


def _block_axes(shape: ModelShape, block: Block, prefix: str, layers: range) -> dict[str, _Axes]:
    """Axes by the path of a weight below its block, equal in all blocks of the stack."""
    found: dict[str, _Axes] = {}
    for layout in shape.tensors:
        if layout.layer is None or layout.layer not in layers:
            continue
        path = f"{prefix}{block.path}.{layout.layer - layers.start}."
        axes = found.setdefault(layout.name.removeprefix(path), _axes(layout))
        if axes != _axes(layout):
            raise UnsupportedModelError(
                f"weight {layout.name!r} has units of another size than in the blocks before, which no "
                "modelling file is written for; search with portability: plain instead"
            )
    return _cut_ones(found)


def _axes(layout: TensorLayout) -> _Axes:
    return [
        None if [s.axis for s in dim] == ["fixed"] else [(s.axis, s.size) for s in dim] for dim in layout.dims
    ]


def _cut_ones(axes: Mapping[str, _Axes]) -> dict[str, _Axes]:
    return {name: dims for name, dims in axes.items() if any(dim is not None for dim in dims)}


def _literal(value: Any, indent: int = 0) -> str:
    """Python text of nested lists and mappings, broken where it is long; classes by their name."""
    flat = _flat(value)
    if indent + len(flat) <= _WIDTH or not value or not isinstance(value, Mapping | list):
        return flat
    space = " " * (indent + 4)
    if isinstance(value, Mapping):
        items: Sequence[str] = [f"{_flat(k)}: {_literal(v, indent + 4)}" for k, v in value.items()]
        return "{\n" + "".join(f"{space}{item},\n" for item in items) + " " * indent + "}"
    items = [_literal(item, indent + 4) for item in value]
    return "[\n" + "".join(f"{space}{item},\n" for item in items) + " " * indent + "]"


def _flat(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_flat(k)}: {_flat(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flat, value)) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(_flat, value)) + ")"
    if isinstance(value, type):
        return value.__name__
    return f'"{value}"' if isinstance(value, str) else repr(value)
