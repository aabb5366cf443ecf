"""Reading texts, text pairs and scored pairs from local files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from nas.data.examples import Examples
from nas.data.files import Source, column_of, load_examples, table_of, texts_of
from nas.data.tables import decoded
from nas.data.texts import TextPairs, Texts
from nas.errors import ConfigError

_TEXT_SUFFIXES: Final = (".txt", ".text", ".md")
_SOURCES: Final = ("source", "input", "text", "document", "article", "question")
_TARGETS: Final = ("target", "output", "summary", "highlights", "answer")
_SCORES: Final = ("score", "similarity", "label")


def load_texts(source: Source, *, text: str | None = None, limit: int | None = None) -> Texts:
    """Read documents: a text file is one document, a row of CSV, TSV, JSON lines or Parquet is one each.

    Args:
        source: as `load_examples` takes them, or a `.txt` file.
        text: the text column; `text`, `content` or the only column unless given.
        limit: use at most so many blocks once the texts are packed.

    Raises:
        ConfigError: the source cannot be read, or the column is missing.
    """
    if isinstance(source, str | Path) and Path(source).suffix.lower() in _TEXT_SUFFIXES:
        texts = Texts(texts=(decoded(Path(source)),))
    else:
        table = table_of(source)
        texts = Texts(texts=texts_of(table, column_of(table, text, ("text", "content"), "text")))
    return texts if limit is None else texts.limit(limit)


def load_text_pairs(
    source: Source, *, text: str | None = None, target: str | None = None, limit: int | None = None
) -> TextPairs:
    """Read sources and targets of a sequence-to-sequence model from a table.

    Args:
        source: as `load_examples` takes them.
        text: the column of the source text; `source`, `input`, `text`, … unless given.
        target: the column of the target text; `target`, `output`, `summary`, … unless given.
        limit: keep a random subset of this size, the same at every call.

    Raises:
        ConfigError: the source cannot be read, or a column is missing.
    """
    table = table_of(source)
    pairs = TextPairs(
        sources=texts_of(table, column_of(table, text, _SOURCES, "text")),
        targets=texts_of(table, column_of(table, target, _TARGETS, "label")),
    )
    return pairs if limit is None else pairs.limit(limit)


def load_scored_pairs(
    source: Source,
    *,
    text: str | None = None,
    text_pair: str | None = None,
    score: str | None = None,
    score_range: Sequence[float] | None = None,
    limit: int | None = None,
) -> Examples:
    """Read pairs of texts with a score of their similarity, brought to 0–1.

    Args:
        source: as `load_examples` takes them.
        text: the column of the first text; `sentence1` and the other usual names unless given.
        text_pair: the column of the second text.
        score: the column of the score; `score`, `similarity` or `label` unless given.
        score_range: the scores' lowest and highest possible values, e.g. (0, 5); (0, 1) unless given.
        limit: keep a random subset of this size, the same at every call.

    Raises:
        ConfigError: the source cannot be read, a column is missing, or a score lies outside the range.
    """
    label = column_of(table_of(source), score, _SCORES, "label")
    pairs = load_examples(source, text=text, text_pair=text_pair, label=label, label_names=(), limit=limit)
    if pairs.text_pairs is None:
        raise ConfigError(
            "similarity is between two texts, but one column was found; pass text= and text_pair=."
        )
    low, high = _checked_range(score_range)
    scores = pairs.labels
    if scores.min() < low or scores.max() > high:
        raise ConfigError(
            f"scores lie between {scores.min():g} and {scores.max():g}, outside {low:g} to {high:g}; pass "
            "score_range=(lowest, highest), the ends of the scale that they were given on."
        )
    return replace(pairs, labels=((scores - low) / (high - low)).astype(np.float32))


def _checked_range(given: Sequence[float] | None) -> tuple[float, float]:
    low, high = (0.0, 1.0) if given is None else (float(given[0]), float(given[-1]))
    if given is not None and (len(given) != 2 or not low < high):
        raise ConfigError(
            f"score_range is {tuple(given)}; give the lowest and the highest score, e.g. (0, 5)."
        )
    return low, high
