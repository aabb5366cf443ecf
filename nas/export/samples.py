"""Sample inputs that fit a model: rows of tokens, images or speech, padded where there is a mask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from transformers import PreTrainedModel

from nas.families.inputs import random_images, random_speech

#: Tokens of a model that states no limit.
_UNLIMITED: Final = 512


@dataclass(frozen=True, kw_only=True)
class Size:
    """Rows of a batch, and tokens of its longest row; a model's own limits come first."""

    batch: int
    length: int


def sample_inputs(model: PreTrainedModel, size: Size, *, is_padded: bool = True) -> dict[str, torch.Tensor]:
    """Random inputs, always the same for a model and a size.

    Args:
        model: whose config says what it reads.
        size: of the batch.
        is_padded: let the rows end at different lengths, with a mask.

    Returns:
        `input_ids` and what belongs to them, `(batch, length)`; `pixel_values`, `(batch, channels, height,
        width)`; or `input_features`, `(batch, mel bins, frames)`; for an encoder with a decoder
        `decoder_input_ids`, `(batch, length)`, besides.
    """
    config: Any = model.config
    generator = torch.Generator().manual_seed(1000 * size.batch + size.length)
    name = model.main_input_name
    if name == "pixel_values":
        return {name: random_images(config, size.batch, generator)}
    if name == "input_features":
        inputs = {name: random_speech(config, size.batch, generator)}
    else:
        inputs = _texts(config, size, generator, is_padded=is_padded)
    if type(model).__name__.endswith("ForSequenceClassification") and config.is_encoder_decoder:
        return _ended(inputs, int(config.eos_token_id), _padding(config))
    if config.is_encoder_decoder:
        inputs["decoder_input_ids"] = _decoder_tokens(config, size, generator)
    return inputs


def prompt_of(inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What generation starts from: inputs without those of a decoder, which generation makes itself."""
    return {name: tensor for name, tensor in inputs.items() if not name.startswith("decoder_")}


def max_length(config: Any) -> int:
    """Tokens that a row of a model may have."""
    padding = _padding(config)
    limit = getattr(config, "max_target_positions", None) or getattr(config, "max_position_embeddings", None)
    # RoBERTa counts positions from the padding token on.
    return _UNLIMITED if limit is None else max(1, int(limit) - padding - 1)


def _texts(
    config: Any, size: Size, generator: torch.Generator, *, is_padded: bool
) -> dict[str, torch.Tensor]:
    padding, length = _padding(config), max(1, min(size.length, max_length(config)))
    tokens = torch.randint(0, config.vocab_size, (size.batch, length), generator=generator)
    tokens[tokens == padding] = (padding + 1) % config.vocab_size
    if not is_padded:
        return {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
    lengths = torch.tensor([max(1, length - row * length // size.batch) for row in range(size.batch)])
    mask = (torch.arange(length)[None, :] < lengths[:, None]).long()
    inputs = {"input_ids": torch.where(mask.bool(), tokens, padding), "attention_mask": mask}
    if getattr(config, "type_vocab_size", 1) > 1:
        segments = (torch.arange(length) >= length // 2).long()
        inputs["token_type_ids"] = segments.expand(size.batch, -1) * mask
    return inputs


def _ended(inputs: dict[str, torch.Tensor], eos: int, padding: int) -> dict[str, torch.Tensor]:
    """Rows with one end token each, the last: an encoder-decoder classifies there, and decodes its input."""
    tokens, mask = inputs["input_ids"], inputs["attention_mask"]
    other = min({0, 1, 2} - {eos, padding})
    tokens = torch.where(tokens == eos, other, tokens)
    tokens[torch.arange(len(tokens)), mask.sum(dim=1) - 1] = eos
    return {**inputs, "input_ids": tokens}


def _decoder_tokens(config: Any, size: Size, generator: torch.Generator) -> torch.Tensor:
    length = max(1, min(size.length // 2, max_length(config)))
    tokens = torch.randint(0, config.vocab_size, (size.batch, length), generator=generator)
    tokens[:, 0] = config.decoder_start_token_id or 0
    return tokens


def _padding(config: Any) -> int:
    return int(getattr(config, "pad_token_id", None) or 0)
