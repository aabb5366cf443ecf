"""The data that a config names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final, TypeAlias

from nas.config import DataSection
from nas.data import (
    Corpus,
    Examples,
    Images,
    LabelKind,
    TaggedTexts,
    TextPairs,
    Texts,
    docstring_corpus,
    load_examples,
    load_images,
    load_scored_pairs,
    load_tagged,
    load_text_pairs,
    load_texts,
)
from nas.errors import ConfigError
from nas.tasks import Task, task_of

DOCSTRINGS: Final = "docstrings"
#: Sentences of each library; the classes stay within a factor of about two.
SENTENCES_A_LIBRARY: Final = 1200

TaskExamples: TypeAlias = Examples | Images | TaggedTexts | TextPairs | Texts


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Examples by use; None where the config names none."""

    train: TaskExamples | None
    validation: TaskExamples
    test: TaskExamples | None


def load_parts(
    section: DataSection,
    label_names: Sequence[str] | None = None,
    *,
    task: str = "sequence-classification",
) -> Parts:
    """Read the parts, all with the labels of the training data or of the model.

    Raises:
        ConfigError: a part cannot be read, or its labels do not match.
    """
    wanted = task_of(task)
    train = None if section.train is None else _load(section, wanted, "train", section.train, label_names)
    names = label_names if train is None else train.label_names
    validation = _load(section, wanted, "validation", section.validation, names)
    test = None if section.test is None else _load(section, wanted, "test", section.test, names)
    return Parts(train=train, validation=validation, test=test)


def _load(
    section: DataSection, task: Task, part: str, source: str, names: Sequence[str] | None
) -> TaskExamples:
    if source == DOCSTRINGS:
        return _docstrings(section, task, part)
    if task.name == "image-classification":
        return load_images(source, label_names=names, limit=section.limit)
    return _READERS[task.labels](section, source, names)


def _docstrings(section: DataSection, task: Task, part: str) -> TaskExamples:
    sentences: Examples = getattr(_corpus(), part)
    if task.labels in ("next-token", "masked-token"):
        texts = Texts(texts=sentences.texts)
        return texts if section.limit is None else texts.limit(section.limit)
    if task.name != "sequence-classification":
        raise ConfigError(
            f"data.{part} is {DOCSTRINGS}, which has no labels for task {task.name}; name a file, or choose "
            "sequence-classification, causal-lm or masked-lm"
        )
    return sentences if section.limit is None else sentences.limit(section.limit)


@lru_cache(maxsize=1)
def _corpus() -> Corpus:
    return docstring_corpus(limit_per_label=SENTENCES_A_LIBRARY)


def _classes(section: DataSection, source: str, names: Sequence[str] | None) -> Examples:
    return load_examples(
        source,
        text=section.text,
        text_pair=section.text_pair,
        label=section.label or "label",
        label_names=names,
        limit=section.limit,
    )


def _numbers(section: DataSection, source: str, names: Sequence[str] | None) -> Examples:
    del names
    return _classes(section, source, ())


def _tagged(section: DataSection, source: str, names: Sequence[str] | None) -> TaggedTexts:
    return load_tagged(source, words=section.text, tags=section.label, label_names=names, limit=section.limit)


def _texts(section: DataSection, source: str, names: Sequence[str] | None) -> Texts:
    del names
    return load_texts(source, text=section.text, limit=section.limit)


def _text_pairs(section: DataSection, source: str, names: Sequence[str] | None) -> TextPairs:
    del names
    return load_text_pairs(source, text=section.text, target=section.label, limit=section.limit)


def _scored_pairs(section: DataSection, source: str, names: Sequence[str] | None) -> Examples:
    del names
    return load_scored_pairs(
        source,
        text=section.text,
        text_pair=section.text_pair,
        score=section.label,
        score_range=section.score_range,
        limit=section.limit,
    )


_READERS: Final[Mapping[LabelKind, Callable[[DataSection, str, Sequence[str] | None], TaskExamples]]] = (
    MappingProxyType(
        {
            "class": _classes,
            "number": _numbers,
            "tags": _tagged,
            "next-token": _texts,
            "masked-token": _texts,
            "target-text": _text_pairs,
            "similarity": _scored_pairs,
        }
    )
)
