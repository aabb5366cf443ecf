"""Texts without labels, pairs of a source and a target, and words with a tag each."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from nas.data.examples import check_texts, positions_of, update_texts
from nas.data.limits import limited
from nas.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Texts:
    """Documents of a language model, in their order.

    Attributes:
        max_blocks: how many blocks of them are used at most, a random subset; None takes all.
    """

    texts: tuple[str, ...]
    max_blocks: int | None = None
    label_names: tuple[str, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        if not any(text.strip() for text in self.texts):
            raise ConfigError("there are no texts; give at least one that is not empty.")
        check_texts(self.texts)

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def sha256(self) -> str:
        """Hash of the texts in their order, and of the limit."""
        digest = hashlib.sha256(repr(self.max_blocks).encode())
        update_texts(digest, self.texts)
        return digest.hexdigest()

    def limit(self, n: int) -> Texts:
        """The same texts, of which at most `n` blocks are used once they are packed."""
        if n < 1:
            raise ConfigError(f"limit is {n}; it must be at least 1, or None for all blocks.")
        return Texts(texts=self.texts, max_blocks=n)


@dataclass(frozen=True, kw_only=True)
class TextPairs:
    """Sources with the target that a sequence-to-sequence model should write."""

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    label_names: tuple[str, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        if len(self.sources) != len(self.targets) or not self.sources:
            raise ConfigError(
                f"there are {len(self.sources)} sources and {len(self.targets)} targets; give one target for "
                "each source, at least one."
            )
        check_texts(self.sources)
        check_texts(self.targets)

    def __len__(self) -> int:
        return len(self.sources)

    @cached_property
    def sha256(self) -> str:
        """Hash of sources and targets in their order."""
        digest = hashlib.sha256()
        update_texts(digest, self.sources, self.targets)
        return digest.hexdigest()

    def take(self, indices: Sequence[int] | npt.NDArray[np.integer]) -> TextPairs:
        """The pairs at these positions, in this order."""
        positions = positions_of(indices)
        return TextPairs(
            sources=tuple(self.sources[i] for i in positions),
            targets=tuple(self.targets[i] for i in positions),
        )

    def limit(self, n: int, seed: int = 0) -> TextPairs:
        """A random subset of at most `n` pairs in their order."""
        return limited(self, n, seed)


@dataclass(frozen=True, kw_only=True)
class TaggedTexts:
    """Sentences of words with a class each.

    Attributes:
        tags: positions in `label_names`, one for each word.
    """

    words: tuple[tuple[str, ...], ...]
    tags: tuple[tuple[int, ...], ...]
    label_names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.words:
            raise ConfigError("there are no sentences; give at least one.")
        if len(self.words) != len(self.tags):
            raise ConfigError(f"there are {len(self.words)} sentences, but {len(self.tags)} rows of tags.")
        for row, (words, tags) in enumerate(zip(self.words, self.tags, strict=True), start=1):
            self._check_row(row, words, tags)
        check_texts([*itertools.chain.from_iterable(self.words)])

    def _check_row(self, row: int, words: Sequence[str], tags: Sequence[int]) -> None:
        if len(words) != len(tags) or not words:
            raise ConfigError(
                f"sentence {row} has {len(words)} words and {len(tags)} tags; give one tag for each word, at "
                "least one."
            )
        wrong = [tag for tag in tags if not 0 <= tag < len(self.label_names)]
        if wrong:
            raise ConfigError(
                f"sentence {row} has the tag number {wrong[0]}; allowed: 0 to {len(self.label_names) - 1} "
                f"({', '.join(self.label_names[:20])})."
            )

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def sha256(self) -> str:
        """Hash of words, tags and their names in their order."""
        digest = hashlib.sha256()
        update_texts(digest, *self.words, self.label_names)
        digest.update(repr(self.tags).encode())
        return digest.hexdigest()

    def take(self, indices: Sequence[int] | npt.NDArray[np.integer]) -> TaggedTexts:
        """The sentences at these positions, in this order."""
        positions = positions_of(indices)
        return TaggedTexts(
            words=tuple(self.words[i] for i in positions),
            tags=tuple(self.tags[i] for i in positions),
            label_names=self.label_names,
        )

    def limit(self, n: int, seed: int = 0) -> TaggedTexts:
        """A random subset of at most `n` sentences in their order."""
        return limited(self, n, seed)
