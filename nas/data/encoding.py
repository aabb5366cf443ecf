"""From texts to token ids, once."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from nas.data.dataset import EncodedDataset
from nas.data.examples import Examples, read_only
from nas.data.padding import offsets_of
from nas.errors import ConfigError

_Integer = TypeVar("_Integer", bound=np.integer)

_TEXTS_AT_ONCE = 2048
_NO_LIMIT = 10**9  # transformers' model_max_length is 10**30 when the tokenizer names none


def encode(examples: Examples, tokenizer: Any, *, max_length: int) -> EncodedDataset:
    """Tokenize all texts, cut to `max_length` tokens (of a pair, the longer text first).

    The tokenizer is left as it was; its own truncation and padding are not used.

    Raises:
        ConfigError: `max_length` is too small or too large, the tokenizer has no token to pad with, or a text
            has no tokens at all.
    """
    check_max_length(tokenizer, max_length, is_pair=examples.text_pairs is not None)
    own = copy.deepcopy(tokenizer)  # truncation is a state of fast tokenizers, and would be saved with them
    rows = tokenized(own, examples.texts, examples.text_pairs, max_length=max_length)
    return EncodedDataset(
        **rows.columns(),
        labels=examples.labels,
        label_names=examples.label_names,
        max_length=max_length,
        pad_token_id=pad_token_id(own),
        padding_side=own.padding_side,
    )


def encode_sentence_pairs(examples: Examples, tokenizer: Any, *, max_length: int) -> EncodedDataset:
    """Tokenize the two texts of each pair apart, each cut to `max_length`; labels are their similarity.

    Raises:
        ConfigError: there are no pairs, scores lie outside -1 to 1, or as for `encode`.
    """
    pairs = examples.text_pairs
    if pairs is None or not examples.is_regression:
        raise ConfigError("similarity needs pairs of texts with a number each; see load_scored_pairs.")
    if np.abs(examples.labels).max() > 1:
        raise ConfigError(
            f"a score is {examples.labels[np.abs(examples.labels).argmax()]:g}; a cosine lies between -1 "
            "and 1. Bring the scores to that range, or read them by load_scored_pairs(..., score_range=...)."
        )
    check_max_length(tokenizer, max_length)
    own = copy.deepcopy(tokenizer)
    texts = [text for pair in zip(examples.texts, pairs, strict=True) for text in pair]
    return EncodedDataset(
        **tokenized(own, texts, None, max_length=max_length).columns(),
        labels=examples.labels,
        label_names=(),
        max_length=max_length,
        pad_token_id=pad_token_id(own),
        padding_side=own.padding_side,
        rows_an_example=2,
    )


@dataclass(frozen=True, kw_only=True)
class TokenRows:
    """Token ids of texts, and their types where the tokenizer has some."""

    tokens: list[list[int]]
    types: list[list[int]] | None

    def columns(self) -> dict[str, Any]:
        """The arrays of an `EncodedDataset` that hold tokens."""
        return {
            "tokens": flat(self.tokens, np.int32),
            "offsets": read_only(offsets_of(lengths_of(self.tokens))),
            "token_types": None if self.types is None else flat(self.types, np.int8),
        }


def tokenized(
    tokenizer: Any, texts: Sequence[str], text_pairs: Sequence[str] | None, *, max_length: int
) -> TokenRows:
    """Token ids of all texts, each cut to `max_length`; changes the tokenizer's truncation."""
    has_types = "token_type_ids" in tokenizer.model_input_names
    rows = TokenRows(tokens=[], types=[] if has_types else None)
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        part = slice(start, start + _TEXTS_AT_ONCE)
        encoded = tokenizer(
            list(texts[part]),
            None if text_pairs is None else list(text_pairs[part]),
            truncation=True,
            max_length=max_length,
            padding=False,
            return_attention_mask=False,
            return_token_type_ids=has_types,
        )
        rows.tokens.extend(encoded["input_ids"])
        if rows.types is not None:
            rows.types.extend(encoded["token_type_ids"])
    return rows


def check_max_length(tokenizer: Any, max_length: int, *, is_pair: bool = False) -> None:
    """Raise ConfigError for a length that the tokenizer cannot cut to."""
    least = tokenizer.num_special_tokens_to_add(pair=is_pair) + 1
    most = tokenizer.model_max_length
    if max_length < least or (most < _NO_LIMIT and max_length > most):
        upper = f" and at most {most}" if most < _NO_LIMIT else ""
        raise ConfigError(f"max_length is {max_length}; this tokenizer needs at least {least}{upper}.")


def flat(rows: Sequence[Sequence[int]], dtype: type[_Integer]) -> npt.NDArray[_Integer]:
    """Rows one after another, read-only."""
    return read_only(np.fromiter(itertools.chain.from_iterable(rows), dtype=dtype))


def lengths_of(rows: Sequence[Sequence[int]]) -> npt.NDArray[np.int64]:
    """Length of each row; ConfigError where one is empty."""
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    if not lengths.all():
        raise ConfigError(f"row {lengths.argmin() + 1} has no tokens, only an empty text; drop such rows.")
    return lengths


def pad_token_id(tokenizer: Any) -> int:
    """The padding token, or the end token of a tokenizer without one."""
    for token_id in (tokenizer.pad_token_id, tokenizer.eos_token_id):
        if token_id is not None:
            return int(token_id)
    raise ConfigError("the tokenizer has no padding token and no end token; set tokenizer.pad_token.")
