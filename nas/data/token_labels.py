"""Token ids with labels of their own: a tag a word, or a target text."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nas.data.dataset import EncodedDataset
from nas.data.encoding import check_max_length, flat, lengths_of, pad_token_id, tokenized
from nas.data.examples import read_only
from nas.data.padding import IGNORED, offsets_of
from nas.data.texts import TaggedTexts, TextPairs
from nas.errors import ConfigError


def encode_tagged(tagged: TaggedTexts, tokenizer: Any, *, max_length: int) -> EncodedDataset:
    """Tokenize words; the first token of a word carries its tag, the others are not counted.

    Words beyond `max_length` tokens are cut off with their tags.

    Raises:
        ConfigError: the tokenizer cannot say which word a token comes from, or as for `encode`.
    """
    check_max_length(tokenizer, max_length)
    if not getattr(tokenizer, "is_fast", False):
        raise ConfigError(
            f"{type(tokenizer).__name__} does not say which word a token comes from; token-classification "
            "needs a fast tokenizer (tokenizer.json)."
        )
    own = copy.deepcopy(tokenizer)
    try:
        encoded = own(
            [list(words) for words in tagged.words],
            is_split_into_words=True,
            truncation=True,
            max_length=max_length,
            padding=False,
            return_attention_mask=False,
            return_token_type_ids="token_type_ids" in own.model_input_names,
        )
    except (AssertionError, ValueError) as error:
        raise ConfigError(f"the tokenizer does not take words one by one: {error}") from error
    rows = encoded["input_ids"]
    labels = [_first_token_tags(encoded.word_ids(row), tags) for row, tags in enumerate(tagged.tags)]
    types = encoded.get("token_type_ids")
    return EncodedDataset(
        tokens=flat(rows, np.int32),
        offsets=read_only(offsets_of(lengths_of(rows))),
        token_types=None if types is None else flat(types, np.int8),
        labels=flat(labels, np.int32),
        label_names=tagged.label_names,
        max_length=max_length,
        pad_token_id=pad_token_id(own),
        padding_side=own.padding_side,
        label_layout="tags",
    )


def encode_targets(
    pairs: TextPairs,
    tokenizer: Any,
    *,
    max_length: int,
    decoder_start_token_id: int | None,
    max_target_length: int | None = None,
) -> EncodedDataset:
    """Tokenize sources and targets of a sequence-to-sequence model.

    Args:
        pairs: sources and targets.
        tokenizer: the model's.
        max_length: tokens a source is cut to.
        decoder_start_token_id: what the model's config says.
        max_target_length: tokens a target is cut to; `max_length` unless given.

    Raises:
        ConfigError: no start token, or as for `encode`.
    """
    check_max_length(tokenizer, max_length)
    own = copy.deepcopy(tokenizer)
    targets = target_rows(
        pairs.targets,
        own,
        max_length=max_target_length or max_length,
        decoder_start_token_id=decoder_start_token_id,
    )
    return EncodedDataset(
        **tokenized(own, pairs.sources, None, max_length=max_length).columns(),
        labels=targets.tokens,
        label_offsets=targets.offsets,
        decoder_start_token_id=targets.start_token_id,
        label_names=(),
        max_length=max_length,
        pad_token_id=pad_token_id(own),
        padding_side=own.padding_side,
        label_layout="target-text",
    )


@dataclass(frozen=True, kw_only=True)
class TargetRows:
    """Token ids of target texts, one after another; see `EncodedDataset`."""

    tokens: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    start_token_id: int


def target_rows(
    targets: Sequence[str], tokenizer: Any, *, max_length: int, decoder_start_token_id: int | None
) -> TargetRows:
    """Tokenize target texts as the model should write them, without the start token that it reads first."""
    if decoder_start_token_id is None:
        raise ConfigError(
            "decoder_start_token_id is None; a decoder needs a first token: set it in the model's config."
        )
    check_max_length(tokenizer, max_length)
    rows = tokenizer(text_target=list(targets), truncation=True, max_length=max_length, padding=False)[
        "input_ids"
    ]
    if all(row and row[0] == decoder_start_token_id for row in rows):
        rows = [row[1:] for row in rows]
    return TargetRows(
        tokens=flat(rows, np.int32),
        offsets=read_only(offsets_of(lengths_of(rows))),
        start_token_id=int(decoder_start_token_id),
    )


def _first_token_tags(word_ids: Sequence[int | None], tags: Sequence[int]) -> list[int]:
    before: list[int | None] = [None, *word_ids[:-1]]
    return [
        IGNORED if word is None or word == previous else tags[word]
        for word, previous in zip(word_ids, before, strict=True)
    ]
