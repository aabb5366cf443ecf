"""A model's structure from its config alone: no checkpoint, no code of the model's author."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from transformers import AutoConfig, PreTrainedModel
from transformers.initialization import no_init_weights

from nas.errors import ConfigError
from nas.evaluation import Skeleton, skeleton_of
from nas.families import family_of
from nas.supernet import Supernet
from nas.supernet.loading import quiet_transformers
from nas.supernet.model_folders import REFUSED_KEYS
from nas.tasks import task_of
from nas.tasks.heads import head_class

#: What latency does not depend on, or what says more of its owner than a device should learn.
_PRIVATE: Final = (
    "_name_or_path",
    "architectures",
    "dtype",
    "id2label",
    "label2id",
    "problem_type",
    "torch_dtype",
    "transformers_version",
)


def portable_config(config: Any) -> dict[str, Any]:
    """A model's config as JSON without paths, names of labels, code and quantisation."""
    record: dict[str, Any] = json.loads(config.to_json_string(use_diff=True))
    kept = {name: value for name, value in record.items() if name not in (*_PRIVATE, *REFUSED_KEYS)}
    return {**kept, "model_type": config.model_type, "num_labels": int(config.num_labels)}


def structure_of(record: Mapping[str, Any], task: str) -> Skeleton:
    """The structure that such a config describes, its weights on the meta device.

    Memory for the weights is reserved for a moment and never written to, so that it costs none.

    Raises:
        ConfigError: the config is not of this form, or the task has no head for it.
        UnsupportedModelError: an architecture without a family.
    """
    _refuse_code(record)
    model_type = record.get("model_type")
    if not isinstance(model_type, str):
        raise ConfigError("the model's config names no model_type")
    family_of(model_type)
    try:
        config = AutoConfig.for_model(**record)
        head = head_class(task_of(task), config)
        with quiet_transformers(), no_init_weights():
            model: PreTrainedModel = head.from_config(config, trust_remote_code=False)
        model.tie_weights()
    except ConfigError:
        raise
    except (TypeError, ValueError, AttributeError, RuntimeError, KeyError) as error:
        raise ConfigError(f"no {model_type} model can be built from this config: {error}") from error
    return skeleton_of(Supernet(model, task=task))


def _refuse_code(value: Any) -> None:
    """Refuse entries that would make transformers run or replace code, at any depth."""
    if isinstance(value, Mapping):
        found = [key for key in REFUSED_KEYS if key in value]
        if found:
            raise ConfigError(f"the model's config has {found[0]!r}, which this library does not follow")
        for nested in value.values():
            _refuse_code(nested)
    elif isinstance(value, list):
        for nested in value:
            _refuse_code(nested)
