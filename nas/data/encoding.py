"""From texts to token ids, once."""

from __future__ import annotations

import copy
import itertools
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from nas.data.dataset import EncodedDataset, offsets_of
from nas.data.examples import Examples, read_only
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
    _check_max_length(tokenizer, max_length, is_pair=examples.text_pairs is not None)
    own = copy.deepcopy(tokenizer)  # truncation is a state of fast tokenizers, and would be saved with them
    has_types = "token_type_ids" in own.model_input_names
    token_rows: list[list[int]] = []
    type_rows: list[list[int]] = []
    for start in range(0, len(examples), _TEXTS_AT_ONCE):
        part = slice(start, start + _TEXTS_AT_ONCE)
        encoded = own(
            list(examples.texts[part]),
            None if examples.text_pairs is None else list(examples.text_pairs[part]),
            truncation=True,
            max_length=max_length,
            padding=False,
            return_attention_mask=False,
            return_token_type_ids=has_types,
        )
        token_rows.extend(encoded["input_ids"])
        type_rows.extend(encoded["token_type_ids"] if has_types else [])
    return EncodedDataset(
        tokens=_flat(token_rows, np.int32),
        offsets=read_only(offsets_of(_lengths(token_rows))),
        token_types=_flat(type_rows, np.int8) if has_types else None,
        labels=examples.labels,
        label_names=examples.label_names,
        max_length=max_length,
        pad_token_id=_pad_token_id(own),
        padding_side=own.padding_side,
    )


def _check_max_length(tokenizer: Any, max_length: int, *, is_pair: bool) -> None:
    least = tokenizer.num_special_tokens_to_add(pair=is_pair) + 1
    most = tokenizer.model_max_length
    if max_length < least or (most < _NO_LIMIT and max_length > most):
        upper = f" and at most {most}" if most < _NO_LIMIT else ""
        raise ConfigError(f"max_length is {max_length}; this tokenizer needs at least {least}{upper}.")


def _flat(rows: list[list[int]], dtype: type[_Integer]) -> npt.NDArray[_Integer]:
    return read_only(np.fromiter(itertools.chain.from_iterable(rows), dtype=dtype))


def _lengths(rows: list[list[int]]) -> npt.NDArray[np.int64]:
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    if not lengths.all():
        raise ConfigError(f"row {lengths.argmin() + 1} has no tokens, only an empty text; drop such rows.")
    return lengths


def _pad_token_id(tokenizer: Any) -> int:
    for token_id in (tokenizer.pad_token_id, tokenizer.eos_token_id):
        if token_id is not None:
            return int(token_id)
    raise ConfigError("the tokenizer has no padding token and no end token; set tokenizer.pad_token.")
