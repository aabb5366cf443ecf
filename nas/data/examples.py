"""Labelled texts: what every data source is turned into."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from nas.data.limits import limited
from nas.errors import ConfigError

_Array = TypeVar("_Array", bound=np.ndarray[Any, Any])

LabelArray: TypeAlias = npt.NDArray[np.int64] | npt.NDArray[np.float32]


class Split(NamedTuple):
    """Two disjoint parts of a data set, each in the order of the whole."""

    kept: Examples
    held_out: Examples


@dataclass(frozen=True, kw_only=True, eq=False)
class Examples:
    """Texts, or pairs of texts, with a class or a number each.

    Attributes:
        labels: int64 positions in `label_names`, or float32 targets of a regression; made read-only.
        label_names: one name a class; empty for a regression.
    """

    texts: tuple[str, ...]
    text_pairs: tuple[str, ...] | None = None
    labels: LabelArray
    label_names: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", read_only(_canonical_labels(self.labels, self.label_names)))
        _check_lengths(self)
        check_texts(self.texts)
        check_texts(self.text_pairs or ())
        _check_labels(self)

    def __len__(self) -> int:
        return len(self.texts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Examples) and self.sha256 == other.sha256

    def __hash__(self) -> int:
        return hash(self.sha256)

    @property
    def is_regression(self) -> bool:
        """Whether the labels are numbers, not classes."""
        return not self.label_names

    @cached_property
    def sha256(self) -> str:
        """Hash of the texts, labels and label names; sensitive to their order."""
        digest = hashlib.sha256()
        update_texts(digest, self.texts, self.text_pairs or (), self.label_names)
        digest.update(self.labels.dtype.name.encode())
        digest.update(self.labels.astype(self.labels.dtype.newbyteorder("<")).tobytes())
        return digest.hexdigest()

    def take(self, indices: Sequence[int] | npt.NDArray[np.integer]) -> Examples:
        """The examples at these positions, in this order."""
        positions = positions_of(indices)
        pairs = None if self.text_pairs is None else tuple(self.text_pairs[i] for i in positions)
        return Examples(
            texts=tuple(self.texts[i] for i in positions),
            text_pairs=pairs,
            labels=self.labels[positions],
            label_names=self.label_names,
        )

    def limit(self, n: int, seed: int = 0) -> Examples:
        """A random subset of at most `n` examples in their order; a smaller `n` gives a subset of it."""
        return limited(self, n, seed)

    def split(self, fraction: float, seed: int = 0) -> Split:
        """Hold out this fraction; of each class the same share, up to rounding (stratified)."""
        if not 0 < fraction < 1:
            raise ConfigError(f"fraction is {fraction}; it must lie between 0 and 1, both excluded.")
        strata = np.zeros(len(self), dtype=np.int64) if self.is_regression else self.labels
        held_out = _stratified(strata.astype(np.int64), fraction, seed)
        if not 0 < held_out.sum() < len(self):
            raise ConfigError(
                f"holding out {fraction} of {len(self)} examples leaves one part empty; give more "
                "examples or another fraction."
            )
        return Split(self.take(np.flatnonzero(~held_out)), self.take(np.flatnonzero(held_out)))


def update_texts(digest: hashlib._Hash, *columns: Sequence[str]) -> None:
    """Add columns of texts to a hash, such that no two sets of columns look alike."""
    for column in columns:
        digest.update(len(column).to_bytes(8, "big"))
        for text in column:
            encoded = text.encode()
            digest.update(len(encoded).to_bytes(8, "big"))
            digest.update(encoded)


def check_texts(texts: Sequence[str]) -> None:
    """Raise ConfigError for a text that no tokenizer can read."""
    for row, text in enumerate(texts, start=1):
        try:
            text.isascii() or text.encode()
        except UnicodeEncodeError:
            raise ConfigError(
                f"the text in row {row} holds half a surrogate pair ({text[:40]!r}); no tokenizer can "
                "read it. Repair or drop the row."
            ) from None


def positions_of(indices: Sequence[int] | npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """Indices as an array; ConfigError when there are none, or when they are a mask."""
    array = np.asarray(indices)
    if not array.size or not np.issubdtype(array.dtype, np.integer):
        raise ConfigError(
            f"indices hold {array.size} values of type {array.dtype}; give one or more integers (for a mask: "
            "numpy.flatnonzero)."
        )
    return array.astype(np.int64)


def read_only(array: _Array) -> _Array:
    """The array itself when nobody can write to it, else a copy that nobody can write to."""
    if array.flags.writeable or array.base is not None:
        array = array.copy()
        array.flags.writeable = False
    return array


def _stratified(strata: npt.NDArray[np.int64], fraction: float, seed: int) -> npt.NDArray[np.bool_]:
    """True for the examples held out: round(fraction * n) in all, shared out by largest remainder."""
    generator = np.random.default_rng(seed)
    groups = [np.flatnonzero(strata == value) for value in np.unique(strata)]
    exact = np.array([len(group) for group in groups]) * fraction
    counts = np.floor(exact).astype(np.int64)
    missing = round(fraction * len(strata)) - int(counts.sum())
    counts[np.argsort(counts - exact, kind="stable")[: max(missing, 0)]] += 1
    held_out = np.zeros(len(strata), dtype=np.bool_)
    for group, count in zip(groups, counts, strict=True):
        held_out[generator.permutation(group)[:count]] = True
    return held_out


def _canonical_labels(labels: LabelArray, label_names: tuple[str, ...]) -> LabelArray:
    array = np.asarray(labels)
    if array.ndim != 1:
        raise ConfigError(f"labels have shape {array.shape}; give one label for each text.")
    if not label_names:
        return array.astype(np.float32, copy=False)
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise ConfigError(
            f"labels are of type {array.dtype} though label_names are given; classes are integers. "
            "For a regression leave label_names empty."
        )
    return array.astype(np.int64, copy=False)


def _check_lengths(examples: Examples) -> None:
    sizes = {"texts": len(examples.texts), "labels": len(examples.labels)}
    if examples.text_pairs is not None:
        sizes["text_pairs"] = len(examples.text_pairs)
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{size} {name}" for name, size in sizes.items())
        raise ConfigError(f"lengths differ: {listed}; give one of each for every example.")
    if not examples.texts:
        raise ConfigError("there are no examples; give at least one.")


def _check_labels(examples: Examples) -> None:
    labels = examples.labels
    if examples.is_regression:
        wrong = np.flatnonzero(~np.isfinite(labels))
        allowed = "a finite number"
    else:
        if len(set(examples.label_names)) != len(examples.label_names):
            raise ConfigError(f"label_names {examples.label_names} repeat a name; each class needs its own.")
        wrong = np.flatnonzero((labels < 0) | (labels >= len(examples.label_names)))
        allowed = f"0 to {len(examples.label_names) - 1} ({', '.join(examples.label_names)})"
    if wrong.size:
        row = int(wrong[0])
        raise ConfigError(
            f"label {labels[row]} in row {row + 1} is not allowed ({wrong.size} of {len(labels)} labels are "
            f"wrong); allowed: {allowed}. Drop the rows without a label or correct label_names."
        )
