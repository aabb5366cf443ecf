"""The data that a config names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from nas.config import DataSection
from nas.data import Corpus, Examples, docstring_corpus, load_examples

DOCSTRINGS: Final = "docstrings"
#: Sentences of each library; the classes stay within a factor of about two.
SENTENCES_A_LIBRARY: Final = 1200


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Labelled examples by use; None where the config names none."""

    train: Examples | None
    validation: Examples
    test: Examples | None


def load_parts(section: DataSection, label_names: Sequence[str] | None = None) -> Parts:
    """Read the parts, all with the labels of the training data or of the model.

    Raises:
        ConfigError: a part cannot be read, or its labels do not match.
    """
    train = _load(section, "train", section.train, label_names)
    names = label_names if train is None else train.label_names
    validation = _load(section, "validation", section.validation, names)
    assert validation is not None
    return Parts(train=train, validation=validation, test=_load(section, "test", section.test, names))


def _load(
    section: DataSection, part: str, source: str | None, names: Sequence[str] | None
) -> Examples | None:
    if source is None:
        return None
    if source == DOCSTRINGS:
        examples: Examples = getattr(_corpus(), part)
        return examples if section.limit is None else examples.limit(section.limit)
    return load_examples(
        source,
        text=section.text,
        text_pair=section.text_pair,
        label=section.label,
        label_names=tuple(names) if names is not None else None,
        limit=section.limit,
    )


@lru_cache(maxsize=1)
def _corpus() -> Corpus:
    return docstring_corpus(limit_per_label=SENTENCES_A_LIBRARY)
