"""Texts packed into blocks without padding, for language models."""

from __future__ import annotations

import copy
import itertools
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from nas.data.dataset import EncodedDataset
from nas.data.encoding import check_max_length, pad_token_id
from nas.data.examples import read_only
from nas.data.padding import IGNORED
from nas.data.texts import Texts
from nas.errors import ConfigError

MASK_FRACTION: Final = 0.15
#: Shares of the chosen tokens. Source: Devlin et al. 2019 (arXiv 1810.04805), Sec. 3.1.
_REPLACED_BY_MASK: Final = 0.8
_REPLACED_AT_RANDOM: Final = 0.1


def pack_texts(texts: Texts, tokenizer: Any, *, max_length: int) -> EncodedDataset:
    """Concatenate documents, each closed by the end token, and cut them into blocks of `max_length`.

    What is left at the end is dropped. Labels are the tokens themselves: the task shifts them.

    Raises:
        ConfigError: no end token, `max_length` not allowed, or fewer tokens than one block.
    """
    check_max_length(tokenizer, max_length)
    if max_length < 2:
        raise ConfigError(f"max_length is {max_length}; it must be at least 2.")
    own = copy.deepcopy(tokenizer)
    stream = _stream(texts, own, end=own.eos_token_id, has_special_tokens=True)
    tokens = read_only(_blocks(stream, max_length, texts.max_blocks).reshape(-1))
    return _packed(tokens, tokens, own, max_length, "next-token")


def mask_texts(
    texts: Texts,
    tokenizer: Any,
    *,
    max_length: int,
    mask_fraction: float = MASK_FRACTION,
    seed: int = 0,
) -> EncodedDataset:
    """Pack documents, divided by the separator, and hide a part of the tokens for good.

    Each block of `max_length` has the tokenizer's special tokens around it. Of the chosen tokens 80 % become
    the mask token, 10 % a random one, 10 % stay. They are the same in every epoch, so that two sub-networks
    are scored on the same.

    Raises:
        ConfigError: no mask token or separator, an argument out of range, or fewer tokens than one block.
    """
    check_max_length(tokenizer, max_length)
    if not 0 < mask_fraction < 1:
        raise ConfigError(f"mask_fraction is {mask_fraction}; it must lie between 0 and 1, both excluded.")
    own = copy.deepcopy(tokenizer)
    if own.mask_token_id is None:
        raise ConfigError("the tokenizer has no mask token, which masked-lm needs; choose another task.")
    before, after = _special_tokens(own)
    end = own.sep_token_id if own.sep_token_id is not None else own.eos_token_id
    stream = _stream(texts, own, end=end, has_special_tokens=False)
    blocks = _blocks(stream, max_length - len(before) - len(after), texts.max_blocks)
    hidden, labels = _masked(blocks, own, mask_fraction, np.random.default_rng(seed))
    return _packed(
        read_only(_wrapped(hidden, before, after).reshape(-1)),
        read_only(_wrapped(labels, [IGNORED] * len(before), [IGNORED] * len(after)).reshape(-1)),
        own,
        max_length,
        "masked-token",
    )


def _stream(
    texts: Texts, tokenizer: Any, *, end: int | None, has_special_tokens: bool
) -> npt.NDArray[np.int32]:
    """Tokens of all documents, each with the end token behind it."""
    if end is None:
        raise ConfigError("the tokenizer has no end token to divide texts by; set tokenizer.eos_token.")
    documents = [text for text in texts.texts if text.strip()]
    encoded = tokenizer(
        documents,
        add_special_tokens=has_special_tokens,
        truncation=False,
        padding=False,
        return_attention_mask=False,
        verbose=False,  # a document may be longer than the model: it is cut into blocks
    )
    rows = ([*row, end] if not row or row[-1] != end else row for row in encoded["input_ids"])
    return np.fromiter(itertools.chain.from_iterable(rows), dtype=np.int32)


def _blocks(stream: npt.NDArray[np.int32], size: int, max_blocks: int | None) -> npt.NDArray[np.int32]:
    count = len(stream) // size
    if not count:
        raise ConfigError(
            f"the texts have {len(stream)} tokens, fewer than one block of {size}; give more text, or lower "
            "max_length."
        )
    blocks = stream[: count * size].reshape(count, size)
    if max_blocks is not None and max_blocks < count:
        blocks = blocks[np.sort(np.random.default_rng(0).permutation(count)[:max_blocks])]
    return blocks


def _special_tokens(tokenizer: Any) -> tuple[list[int], list[int]]:
    """What the tokenizer puts before and after a text."""
    plain = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = tokenizer("a")["input_ids"]
    for start in range(len(whole) - len(plain) + 1):
        if whole[start : start + len(plain)] == plain:
            return whole[:start], whole[start + len(plain) :]
    return [], []


def _masked(
    blocks: npt.NDArray[np.int32], tokenizer: Any, fraction: float, generator: np.random.Generator
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Blocks with hidden tokens, and what was hidden; special tokens within the text stay."""
    is_special = np.isin(blocks, tokenizer.all_special_ids)
    chosen = (generator.random(blocks.shape) < fraction) & ~is_special
    action = generator.random(blocks.shape)
    replacement = generator.integers(0, len(tokenizer), blocks.shape, dtype=np.int32)
    hidden = np.where(chosen & (action < _REPLACED_BY_MASK), np.int32(tokenizer.mask_token_id), blocks)
    is_random = (action >= _REPLACED_BY_MASK) & (action < _REPLACED_BY_MASK + _REPLACED_AT_RANDOM)
    hidden = np.where(chosen & is_random, replacement, hidden).astype(np.int32)
    if not chosen.any():
        raise ConfigError("no token was chosen to be masked; give more text or a larger mask_fraction.")
    return hidden, np.where(chosen, blocks, np.int32(IGNORED)).astype(np.int32)


def _wrapped(blocks: npt.NDArray[np.int32], before: list[int], after: list[int]) -> npt.NDArray[np.int32]:
    parts = [np.tile(np.array(ids, np.int32), (len(blocks), 1)) for ids in (before, after)]
    return np.concatenate([parts[0], blocks, parts[1]], axis=1)


def _packed(
    tokens: npt.NDArray[np.int32],
    labels: npt.NDArray[np.int32],
    tokenizer: Any,
    max_length: int,
    kind: Literal["next-token", "masked-token"],
) -> EncodedDataset:
    return EncodedDataset(
        tokens=tokens,
        offsets=read_only(np.arange(0, len(tokens) + 1, max_length, dtype=np.int64)),
        token_types=None,
        labels=labels,
        label_names=(),
        max_length=max_length,
        pad_token_id=pad_token_id(tokenizer),
        padding_side=tokenizer.padding_side,
        label_layout=kind,
    )
