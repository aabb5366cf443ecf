"""Which transformers class builds a model with a task's head."""

from __future__ import annotations

from typing import Any, Final

import transformers

from nas.errors import ConfigError
from nas.tasks.task import TASKS, Task

#: Models that hear in place of reading have a table of their own, e.g. Whisper.
_SPEECH: Final = ("AutoModelForSpeechSeq2Seq", "MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING")


def head_class(task: Task, config: Any) -> Any:
    """The auto class for a task and a model's config; it imports transformers' own classes only.

    Raises:
        ConfigError: transformers has no such head for this model type.
    """
    for auto_class, mapping in _classes(task):
        if type(config) in getattr(transformers, mapping):
            return getattr(transformers, auto_class)
    fitting = [name for name, other in TASKS.items() if _has_head(other, config)]
    raise ConfigError(
        f"task {task.name!r} has no head for model type {config.model_type!r}; allowed for it: "
        f"{', '.join(fitting) or 'none'}"
    )


def _has_head(task: Task, config: Any) -> bool:
    return any(type(config) in getattr(transformers, mapping) for _, mapping in _classes(task))


def _classes(task: Task) -> list[tuple[str, str]]:
    own = [(task.auto_class, task.mapping)]
    return [*own, _SPEECH] if task.labels == "target-text" else own
