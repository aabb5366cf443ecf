"""Which of transformers' auto classes loads an exported model, and what a model page calls its task."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import transformers

from nas.errors import UnsupportedModelError
from nas.tasks import head_class, task_of

_PIPELINES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "AutoModelForSequenceClassification": "text-classification",
        "AutoModelForTokenClassification": "token-classification",
        "AutoModelForCausalLM": "text-generation",
        "AutoModelForSeq2SeqLM": "text-generation",
        "AutoModelForSpeechSeq2Seq": "automatic-speech-recognition",
        "AutoModelForMaskedLM": "fill-mask",
        "AutoModelForImageClassification": "image-classification",
        "AutoModel": "feature-extraction",
    }
)


def auto_class_of(task: str, config: Any) -> str:
    """Name of the auto class for a task and a stock config.

    Raises:
        ConfigError: no such task, or no such head for the architecture.
    """
    return str(head_class(task_of(task), config).__name__)


def auto_class_for(task: str, model_type: str) -> str:
    """The same for a `model_type` alone.

    Raises:
        ConfigError: no such task, or no such head for the architecture.
        UnsupportedModelError: transformers does not know the architecture.
    """
    if model_type not in transformers.CONFIG_MAPPING:
        raise UnsupportedModelError(f"transformers knows no model type {model_type!r}")
    return auto_class_of(task, transformers.CONFIG_MAPPING[model_type]())


def pipeline_of(task: str, model_type: str) -> str:
    """What model pages call a task; errors as `auto_class_for`."""
    return _PIPELINES[auto_class_for(task, model_type)]
