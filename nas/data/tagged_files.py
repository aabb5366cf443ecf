"""Reading words with tags: JSON lines or Parquet with a list a row, or CoNLL columns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from nas.data.files import Source, column_of, table_of
from nas.data.labels import parse_labels
from nas.data.tables import decoded
from nas.data.texts import TaggedTexts
from nas.errors import ConfigError

_CONLL_SUFFIXES: Final = (".conll", ".bio", ".iob", ".iob2", ".txt")
_WORDS: Final = ("tokens", "words")
_TAGS: Final = ("tags", "ner_tags", "pos_tags", "labels", "label")

_Rows: TypeAlias = list[tuple[list[str], list[object]]]


def load_tagged(
    source: Source,
    *,
    words: str | None = None,
    tags: str | None = None,
    label_names: Sequence[str] | None = None,
    limit: int | None = None,
) -> TaggedTexts:
    """Read sentences of words with a tag each.

    A CoNLL file has a word a line, its tag in the last column, and an empty line after each sentence; other
    files have a list of words and a list of tags a row.

    Args:
        source: a `.conll`, `.bio`, `.iob` or `.txt` file, or as `load_examples` takes them.
        words: the column of words; `tokens` or `words` unless given.
        tags: the column of tags, names or numbers; `tags`, `ner_tags`, … unless given.
        label_names: every tag in order; give the training data's to other files.
        limit: keep a random subset of this size, the same at every call.

    Raises:
        ConfigError: the source cannot be read, words and tags differ in number, or a tag is not allowed.
    """
    if isinstance(source, str | Path) and Path(source).suffix.lower() in _CONLL_SUFFIXES:
        where, rows = Path(source).name, _conll(Path(source))
    else:
        table = table_of(source)
        where = table.where
        word_lists = table.read(column_of(table, words, _WORDS, "text"))
        tag_lists = table.read(column_of(table, tags, _TAGS, "label"))
        rows = [
            (_list(word_list, where, row, "words"), _list(tag_list, where, row, "tags"))
            for row, (word_list, tag_list) in enumerate(zip(word_lists, tag_lists, strict=True), start=1)
        ]
    return _tagged(rows, label_names, where, limit)


def _tagged(rows: _Rows, label_names: Sequence[str] | None, where: str, limit: int | None) -> TaggedTexts:
    for row, (words, tags) in enumerate(rows, start=1):
        if not words or len(words) != len(tags):
            raise ConfigError(
                f"{where}, sentence {row} has {len(words)} words and {len(tags)} tags; give one tag for each "
                "word, at least one."
            )
        for word in words:
            if not isinstance(word, str) or not word.strip():
                raise ConfigError(f"{where}, sentence {row} has the word {word!r}; words are texts.")
    parsed = parse_labels([tag for _, tags in rows for tag in tags], label_names, where=where)
    if not parsed.names:
        raise ConfigError(f"{where}: tags are numbers with a decimal point; tags are names or class numbers.")
    numbers = iter(int(label) for label in parsed.labels)
    tagged = TaggedTexts(
        words=tuple(tuple(words) for words, _ in rows),
        tags=tuple(tuple(next(numbers) for _ in tags) for _, tags in rows),
        label_names=parsed.names,
    )
    return tagged if limit is None else tagged.limit(limit)


def _conll(path: Path) -> _Rows:
    sentences: _Rows = []
    words: list[str] = []
    tags: list[object] = []
    for number, line in enumerate([*decoded(path).split("\n"), ""], start=1):
        fields = line.split()
        if fields and fields[0] != "-DOCSTART-":
            if len(fields) < 2:
                raise ConfigError(
                    f"{path.name}, line {number} has one column, {fields[0]!r}; a line is a word and its "
                    "tag, an empty line ends a sentence."
                )
            words.append(fields[0])
            tags.append(fields[-1])
        elif words:
            sentences.append((words, tags))
            words, tags = [], []
    return sentences


def _list(value: Any, where: str, row: int, what: str) -> list[Any]:
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except ValueError:
            value = None
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise ConfigError(
            f"{where}, row {row}: the {what} are {str(value)[:60]!r}; they must be a list, e.g. "
            '{"tokens": ["deep", "sea"], "tags": ["O", "O"]}.'
        )
    return list(value)
