"""Whether texts fit what a model can read: its positions, and the token that it classifies by."""

from __future__ import annotations

from typing import Any

import numpy as np

from nas.data import BatchedDataset, EncodedDataset
from nas.errors import ConfigError


def max_tokens(config: Any) -> int | None:
    """The longest text that a model of this config takes, an encoder-decoder's longest target; None for any.

    Images have no tokens, and T5 has positions for all distances.
    """
    if config.model_type == "whisper":
        return int(config.max_target_positions)
    longest: int | None = getattr(config, "max_position_embeddings", None)
    if longest is not None and config.model_type == "roberta":
        return longest - int(config.pad_token_id) - 1  # its positions start behind the padding token's
    return longest


def check_positions(data: BatchedDataset, config: Any) -> None:
    """Raise ConfigError if an example or a target is longer than the model takes."""
    longest = max_tokens(config)
    found = int(data.lengths.max())
    targets = getattr(data, "label_offsets", None)
    if targets is not None:
        found = max(found, int(np.diff(targets).max()))
    if longest is not None and found > longest:
        raise ConfigError(
            f"the longest example has {found} tokens, but the model has {longest} positions; "
            f"encode the data with max_length {longest} or less"
        )


def check_end_tokens(data: BatchedDataset, config: Any) -> None:
    """Raise ConfigError if an encoder-decoder could not classify: it does so at each text's end token."""
    if not config.is_encoder_decoder or not isinstance(data, EncodedDataset):
        return
    numbers = np.add.reduceat(data.tokens == config.eos_token_id, data.offsets[:-1], dtype=np.int64)
    if numbers.min() != numbers.max() or not numbers[0]:
        raise ConfigError(
            f"{config.model_type} classifies at the end token ({config.eos_token_id}), of which texts of the "
            f"data have {numbers.min()} to {numbers.max()}; use a tokenizer that closes each text with one"
        )
