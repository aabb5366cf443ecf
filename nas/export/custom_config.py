"""config.json of a custom-code sub-network.

It states the true sizes under transformers' own names, and in transformers' own schema for heterogeneous
models (`per_layer_config`) where blocks differ; stock classes do not apply that schema to these models. Our
modelling file reads `subnet` alone.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import transformers
from transformers import PreTrainedModel

from nas.errors import UnsupportedModelError
from nas.export.heads import auto_class_of
from nas.export.modelling import model_classes, modelling_name
from nas.families import Family
from nas.supernet.activation import configs_of, kept_by_stack
from search_spaces import LayerUnits, ModelShape, SubnetConfig
from search_spaces.units import count

#: Entries that belong to a folder, not to an architecture.
_UNRELATED: Final = ("architectures", "transformers_version", "_name_or_path", "auto_map", "model_type")


def custom_config(
    full: PreTrainedModel, shape: ModelShape, family: Family, config: SubnetConfig, task: str
) -> dict[str, Any]:
    """The config.json of a sub-network of a full model; `config` is canonical."""
    own, per_layer = _own_config(full, shape, family, config)
    record = dict(own.to_diff_dict())
    classes = [cls.__name__ for cls in model_classes(full)]
    module = modelling_name(shape.model_type).removesuffix(".py")
    auto_map = {
        "AutoConfig": f"{module}.Subnet{type(full.config).__name__}",
        "AutoModel": f"{module}.Subnet{classes[0]}",
        auto_class_of(task, full.config): f"{module}.Subnet{classes[-1]}",
    }
    return {
        **record,
        "model_type": f"subnet_{shape.model_type}",
        "architectures": [f"Subnet{classes[-1]}"],
        "auto_map": auto_map,
        "subnet": {
            "full": _changed(full.config.to_dict(), own.to_dict()),
            "depth": [dict(family.depth(c, kept_by_stack(shape, config))) for c in configs_of(full).values()],
            "hidden_size": count(config.hidden),
            "stacks": _stacks(shape, config),
        },
        **({"per_layer_config": per_layer} if per_layer else {}),
    }


def full_config(record: Mapping[str, Any]) -> tuple[type[PreTrainedModel], Any]:
    """The stock class and the full model's config that a custom config.json names.

    Raises:
        UnsupportedModelError: it names none of transformers.
    """
    try:
        name = str(record["architectures"][0]).removeprefix("Subnet")
        model_type = str(record["model_type"]).removeprefix("subnet_")
        cls = getattr(transformers, name, None)
        if not (isinstance(cls, type) and issubclass(cls, PreTrainedModel)):
            raise UnsupportedModelError(f"{name!r} is no model class of transformers")
        left_out = (*_UNRELATED, "per_layer_config", "subnet")
        entries = {key: value for key, value in record.items() if key not in left_out}
        config_class = transformers.CONFIG_MAPPING[model_type]
        return cls, config_class.from_dict({**entries, **record["subnet"]["full"]})
    except (KeyError, TypeError, IndexError, ValueError, AttributeError) as error:
        if isinstance(error, UnsupportedModelError):
            raise
        raise UnsupportedModelError(f"the full model is not described: {error!r}") from error


def _own_config(
    full: PreTrainedModel, shape: ModelShape, family: Family, config: SubnetConfig
) -> tuple[Any, dict[str, Any]]:
    """A config with the sizes that most blocks share, and the other sizes by block."""
    own = copy.deepcopy(full.config)
    kept = [units for units in config.layers if units is not None]
    sizes = [dict(family.plain_sizes(full.config, count(config.hidden), units)) for units in kept]
    shared = _shared(sizes) or {"hidden_size": count(config.hidden)}
    depth = family.depth(full.config, kept_by_stack(shape, config))
    for name, value in {**shared, **depth}.items():
        setattr(own, name, value)
    if len(shape.stacks) > 1:
        return own, {}  # the schema counts the blocks of one stack
    overrides = [_override(entry, shared, units) for entry, units in zip(sizes, kept, strict=True)]
    digits = len(str(max(len(overrides) - 1, 0)))
    return own, {str(i).zfill(digits): entry for i, entry in enumerate(overrides) if entry}


def _shared(sizes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    shared: dict[str, Any] = {}
    for name in sizes[0] if sizes else ():
        kept = [entry[name] for entry in sizes if entry[name]]
        if kept:  # an entry that every block lacks keeps the full model's value
            shared[name] = Counter(kept).most_common(1)[0][0]
    return shared


def _override(sizes: Mapping[str, Any], shared: Mapping[str, Any], units: LayerUnits) -> dict[str, Any]:
    entry = {name: size for name, size in sizes.items() if shared.get(name) != size}
    parts = (("attention", units.num_attention_heads), ("ffn", count(units.ffn)))
    skipped = [part for part, size in parts if size == 0]
    return entry | ({"skip": skipped} if skipped else {})


def _changed(full: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    names = [name for name in full if name not in _UNRELATED]
    return {name: full[name] for name in names if name not in own or own[name] != full[name]}


def _stacks(shape: ModelShape, config: SubnetConfig) -> list[list[dict[str, int]]]:
    """Sizes of the kept blocks of each stack, with their place in the full model."""
    stacks = []
    for stack in shape.stacks:
        kept = [(index, config.layers[index]) for index in stack]
        stacks.append(
            [
                {
                    "index": index - stack.start,
                    "num_attention_heads": units.num_attention_heads,
                    "num_key_value_heads": count(units.heads),
                    "head_dim": shape.layers[index].head_dim,
                    "intermediate_size": count(units.ffn),
                }
                for index, units in kept
                if units is not None
            ]
        )
    return stacks
