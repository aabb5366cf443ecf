"""`load_examples`: labelled texts from any source that users have."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from nas.data.examples import Examples
from nas.data.labels import parse_labels
from nas.data.tables import Quotes, Table, table_from_dataset, table_from_file, table_from_rows
from nas.errors import ConfigError

Source: TypeAlias = str | os.PathLike[str] | Sequence[Mapping[str, object]] | Any
"""A path, a list of dicts, a `datasets.Dataset` or a `datasets.DatasetDict`."""

_KNOWN_PAIRS = (
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("question", "sentence"),
    ("question", "passage"),
    ("text1", "text2"),
    ("#1 String", "#2 String"),
)
_KNOWN_TEXTS = ("sentence", "text", "content", "review", "comment")


def load_examples(
    source: Source,
    *,
    text: str | None = None,
    text_pair: str | None = None,
    label: str = "label",
    label_names: Sequence[str] | None = None,
    limit: int | None = None,
    split: str | None = None,
    quotes: Quotes | None = None,
) -> Examples:
    """Read labelled texts from a CSV, TSV, JSON lines or Parquet file, a Hugging Face data set or dicts.

    Args:
        source: the file's suffix decides how it is read; JSON may also be one list of objects.
        text: the text column; without it the columns of the usual benchmarks are looked for.
        text_pair: the second text column.
        label: the label column: class names, class numbers from 0, or real numbers for a regression.
        label_names: every class in order; give the training data's to other files. Empty for a regression.
        limit: keep a random subset of this size, the same at every call.
        split: which part of a `DatasetDict`.
        quotes: whether quotes in CSV and TSV enclose fields or are text; by default CSV's do, TSV's are text.

    Raises:
        ConfigError: the source cannot be read, a column is missing, or a label is not allowed.
    """
    table = table_of(source, split=split, quotes=quotes)
    columns = _text_columns(table, text, text_pair, label)
    _require(table, label, "label")
    names = table.class_names.get(label) if label_names is None else label_names
    parsed = parse_labels(table.read(label), names, where=table.where)
    texts = [texts_of(table, column) for column in columns]
    examples = Examples(
        texts=texts[0],
        text_pairs=texts[1] if len(texts) > 1 else None,
        labels=parsed.labels,
        label_names=parsed.names,
    )
    return examples if limit is None else examples.limit(limit)


def table_of(source: Source, *, split: str | None = None, quotes: Quotes | None = None) -> Table:
    """Columns of any source; ConfigError where it is none."""
    if isinstance(source, Mapping):
        return _table_of_split(source, split)
    if split is not None:
        raise ConfigError(
            f"split is {split!r}, but the source is one part; split chooses from a DatasetDict."
        )
    if isinstance(source, str | os.PathLike):
        return table_from_file(Path(source), quotes)
    if hasattr(source, "column_names") and hasattr(source, "features"):
        return table_from_dataset(source, where="the data set")
    if isinstance(source, Sequence):
        return table_from_rows(source, where="the list of rows")
    raise ConfigError(
        f"examples cannot be read from a {type(source).__name__}; give a path, a list of dicts, a "
        "datasets.Dataset or a datasets.DatasetDict."
    )


def _table_of_split(parts: Mapping[str, Any], split: str | None) -> Table:
    if not all(hasattr(part, "column_names") for part in parts.values()):
        raise ConfigError("examples cannot be read from a mapping of columns; give a list of one dict a row.")
    name = next(iter(parts)) if split is None and len(parts) == 1 else split
    if name is None or name not in parts:
        raise ConfigError(
            f"split is {split!r}; the data set has: {', '.join(parts)}. Pass one of them as split."
        )
    return table_from_dataset(parts[name], where=f"split {name!r}")


def _text_columns(table: Table, text: str | None, text_pair: str | None, label: str) -> tuple[str, ...]:
    if text is None:
        if text_pair is not None:
            raise ConfigError(f"text_pair is {text_pair!r}, but text is not given; name both columns.")
        return _detected(table, label)
    columns = (text,) if text_pair is None else (text, text_pair)
    for name, option in zip(columns, ("text", "text_pair"), strict=False):
        _require(table, name, option)
    return columns


def _detected(table: Table, label: str) -> tuple[str, ...]:
    for pair in _KNOWN_PAIRS:
        if set(pair) <= set(table.names):
            return pair
    for name in _KNOWN_TEXTS:
        if name in table.names:
            return (name,)
    others = [name for name in table.names if name != label]
    if len(others) == 1:
        return (others[0],)
    raise ConfigError(
        f"{table.where}: which column holds the text is not clear; it has {_listed(table)}. Pass text= (and "
        "text_pair=), and label= when the label column is not called 'label'."
    )


def _require(table: Table, name: str, option: str) -> None:
    if name not in table.names:
        raise ConfigError(f"{table.where} has no column {name!r}; it has {_listed(table)}. Pass {option}=.")


def _listed(table: Table) -> str:
    return ", ".join(repr(name) for name in table.names)


def column_of(table: Table, given: str | None, usual: Sequence[str], option: str) -> str:
    """The named column, or the first usual name that the table has, or of texts its only column.

    Raises:
        ConfigError: there is none; the message names `option`.
    """
    if given is not None:
        _require(table, given, option)
        return given
    found = [name for name in usual if name in table.names]
    if found or (option == "text" and len(table.names) == 1):
        return (found or table.names)[0]
    raise ConfigError(
        f"{table.where} has none of the columns {', '.join(map(repr, usual))}; it has {_listed(table)}. Pass "
        f"{option}=."
    )


def texts_of(table: Table, column: str) -> tuple[str, ...]:
    """A column of texts; ConfigError where a value is none."""
    values = table.read(column)
    for row, value in enumerate(values, start=1):
        if not isinstance(value, str):
            raise ConfigError(
                f"{table.where}, row {row}: column {column!r} holds {value!r}, which is not a text. Drop the "
                "row, or name another column with text=."
            )
    return tuple(str(value) for value in values)
