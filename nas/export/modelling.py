"""Sub-networks that no stock class can build: their config.json and the modelling file beside it.

Sizes are written in transformers' own schema for heterogeneous models (`per_layer_config`), which stock
classes do not apply to BERT and its kin; the modelling file does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from string import Template
from typing import Any, Final

from transformers import PreTrainedModel

from nas.errors import UnsupportedModelError
from search_spaces import LayerUnits, ModelShape, SubnetConfig
from search_spaces.units import count

HEAD: Final = "ForSequenceClassification"


@dataclass(frozen=True, kw_only=True)
class _Names:
    """What differs between the modelling files of two architectures.

    Attributes:
        prefix: of transformers' class names.
        article: before the prefix, in prose.
        config_fields: further entries of the configuration class.
        after_blocks: further lines of the model's `__init__`, where `base` is the encoder.
    """

    prefix: str
    article: str = "a"
    config_fields: str = ""
    after_blocks: str = ""


# The stock class projects embeddings only where their width differs from hidden_size, which a sub-network
# may cut to just that width.
_PROJECTION: Final = """\
        if config.projects_embeddings and not hasattr(base, "embeddings_project"):
            base.embeddings_project = nn.Linear(config.embedding_size, config.hidden_size)
"""
_NAMES: Final = {
    "bert": _Names(prefix="Bert"),
    "roberta": _Names(prefix="Roberta"),
    "electra": _Names(
        prefix="Electra",
        article="an",
        config_fields="    projects_embeddings: bool = False\n",
        after_blocks=_PROJECTION,
    ),
}


def modelling_name(model_type: str) -> str:
    """Name of the modelling file of an architecture."""
    return f"modeling_subnet_{model_type}.py"


def modelling_source(model_type: str) -> str:
    """Text of the modelling file of an architecture.

    Raises:
        UnsupportedModelError: no modelling file is written for it.
    """
    if model_type not in _NAMES:
        raise UnsupportedModelError(
            f"a custom-code sub-network of model type {model_type!r} cannot be exported; possible for "
            f"{', '.join(_NAMES)}; search with portability: plain instead"
        )
    names = _NAMES[model_type]
    template = resources.files("nas.export") / "templates" / "modeling_subnet.py.txt"
    return Template(template.read_text(encoding="utf-8")).substitute(
        stock=model_type,
        prefix=names.prefix,
        article=names.article,
        config_fields=names.config_fields,
        after_blocks=names.after_blocks,
    )


def custom_config(model: PreTrainedModel, shape: ModelShape, config: SubnetConfig) -> dict[str, Any]:
    """The config.json of a custom-code sub-network.

    Args:
        model: the extracted sub-network.
        shape: the full model.
        config: a canonical sub-network.
    """
    model_type, prefix = shape.model_type, f"Subnet{_NAMES[shape.model_type].prefix}"
    module = modelling_name(model_type).removesuffix(".py")
    record: dict[str, Any] = dict(model.config.to_diff_dict())
    record |= {
        "model_type": f"subnet_{model_type}",
        "architectures": [f"{prefix}{HEAD}"],
        "auto_map": {
            "AutoConfig": f"{module}.{prefix}Config",
            "AutoModel": f"{module}.{prefix}Model",
            f"AutoModel{HEAD}": f"{module}.{prefix}{HEAD}",
        },
        "hidden_size": count(config.hidden),
        "num_hidden_layers": len(config.kept_layers),
        "head_dim": shape.layers[0].head_dim,
    }
    if "embedding_size" in record:
        record["embedding_size"] = shape.embedding_size or count(config.hidden)
        record["projects_embeddings"] = shape.embedding_size is not None
    return record | _sizes([units for units in config.layers if units is not None])


def _sizes(layers: Sequence[LayerUnits]) -> dict[str, Any]:
    """The most frequent sizes as global entries, the others by layer."""
    every = [
        {"num_attention_heads": units.num_attention_heads, "intermediate_size": count(units.ffn)}
        for units in layers
    ]
    shared: dict[str, Any] = {}
    for name in every[0] if every else ():
        kept = [sizes[name] for sizes in every if sizes[name]]
        if kept:  # an entry that every layer lacks keeps the full model's value
            shared[name] = Counter(kept).most_common(1)[0][0]
    overrides = {index: _override(sizes, shared) for index, sizes in enumerate(every)}
    digits = len(str(max(len(every) - 1, 0)))
    named = {str(index).zfill(digits): entry for index, entry in overrides.items() if entry}
    return shared | ({"per_layer_config": named} if named else {})


def _override(sizes: dict[str, int], shared: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = {name: size for name, size in sizes.items() if shared.get(name) != size}
    skipped = [
        part
        for part, name in (("attention", "num_attention_heads"), ("ffn", "intermediate_size"))
        if sizes[name] == 0
    ]
    return entry | ({"skip": skipped} if skipped else {})
