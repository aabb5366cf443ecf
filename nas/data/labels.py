"""Labels as sources hold them (names, class numbers, real numbers) turned into one array."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nas.data.examples import LabelArray
from nas.errors import ConfigError

_INTEGER = re.compile(r"[+-]?\d{1,18}")
_SHOWN_NAMES = 20


class ParsedLabels(NamedTuple):
    """Class numbers with the classes' names, or the targets of a regression and no names."""

    labels: LabelArray
    names: tuple[str, ...]


def parse_labels(values: Sequence[object], label_names: Sequence[str] | None, *, where: str) -> ParsedLabels:
    """Read labels by `label_names`, or, without these, by what all of them look like.

    Without names: integers are class numbers 0, 1, …; numbers of which one has a decimal point are
    regression targets; anything else is a class name, and classes are sorted by name. Empty `label_names`
    ask for a regression.
    """
    texts = [_text(value, where, row) for row, value in enumerate(values, start=1)]
    if label_names:
        return _named(texts, tuple(label_names), where)
    if label_names is None and all(_INTEGER.fullmatch(text) for text in texts):
        return _named(texts, _numbered(texts, where), where)
    if label_names is not None or all(_is_number(text) for text in texts):
        return ParsedLabels(_targets(texts, where), ())
    return _named(texts, tuple(sorted(set(texts))), where)


def _text(value: object, where: str, row: int) -> str:
    if isinstance(value, bool | np.bool_):
        return str(value).lower()
    text = str(value).strip() if isinstance(value, str | int | float | np.integer | np.floating) else ""
    if not text:
        raise ConfigError(
            f"{where}, row {row} has the label {value!r}; a label is a text or a number. Drop the rows "
            "without a label, or name another column with label=."
        )
    return text


def _numbered(texts: Sequence[str], where: str) -> tuple[str, ...]:
    found = {int(text) for text in texts}
    expected = set(range(len(found)))
    if found != expected:
        example = sorted(found ^ expected)[0]
        problem = "is negative" if example < 0 else "does not occur"
        raise ConfigError(
            f"{where} has the class numbers {_shown(map(str, sorted(found)))}, but {example} {problem}. "
            "Classes are numbered from 0 without a gap: pass label_names with every class in order, "
            "drop rows without a label, or pass label_names=() for a regression."
        )
    return tuple(str(number) for number in range(len(expected)))


def _named(texts: Sequence[str], names: tuple[str, ...], where: str) -> ParsedLabels:
    """A label is a name, or a class number where no name looks like a number."""
    positions = {name: position for position, name in enumerate(names)}
    if not any(_INTEGER.fullmatch(name) for name in names):
        positions |= {str(position): position for position in range(len(names))}
    try:
        labels = np.array([positions[text] for text in texts], dtype=np.int64)
    except KeyError:
        row = next(row for row, text in enumerate(texts, start=1) if text not in positions)
        raise ConfigError(
            f"{where}, row {row} has the label {texts[row - 1]!r}; allowed: {_shown(names)}. Correct "
            "the row, or pass label_names with every class."
        ) from None
    return ParsedLabels(labels, names)


def _targets(texts: Sequence[str], where: str) -> LabelArray:
    for row, text in enumerate(texts, start=1):
        if not _is_number(text) or not np.isfinite(float(text)):
            raise ConfigError(
                f"{where}, row {row} has the label {text!r}; a regression needs finite numbers. Correct the "
                "row, or pass label_names for classes."
            )
    return np.array([float(text) for text in texts], dtype=np.float32)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _shown(names: Sequence[str] | map[str]) -> str:
    listed = [repr(name) for name in names]
    more = f", … ({len(listed)} in all)" if len(listed) > _SHOWN_NAMES else ""
    return ", ".join(listed[:_SHOWN_NAMES]) + more
