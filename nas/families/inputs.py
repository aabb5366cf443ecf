"""Random inputs of the kind that a model takes."""

from __future__ import annotations

from typing import Any

import torch


def random_inputs(
    model: Any, batch_size: int, sequence_length: int, *, seed: int = 0
) -> dict[str, torch.Tensor]:
    """Keyword arguments of a model's forward, without padding, on the CPU.

    Args:
        model: a model of a known family.
        batch_size: sequences, images or recordings.
        sequence_length: tokens of a text, and of an encoder-decoder's target. Images and recordings have the
            size that the model was made for.
        seed: of the values.

    Returns:
        `input_ids` and `attention_mask`, `(batch_size, sequence_length)`; `pixel_values`, `(batch_size,
        channels, height, width)`; or `input_features`, `(batch_size, mel_bins, frames)`. Encoder-decoders
        get `decoder_input_ids` too.
    """
    generator = torch.Generator().manual_seed(seed)
    config = model.config
    dtype = next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)
    if model.main_input_name == "pixel_values":
        height, width = _pair(config.image_size)
        pixels = torch.randn(batch_size, config.num_channels, height, width, generator=generator)
        return {"pixel_values": pixels.to(dtype)}
    tokens = torch.randint(0, config.vocab_size, (batch_size, sequence_length), generator=generator)
    if model.main_input_name == "input_features":
        frames = 2 * config.max_source_positions  # the encoder's second convolution halves them
        features = torch.randn(batch_size, config.num_mel_bins, frames, generator=generator)
        return {"input_features": features.to(dtype), "decoder_input_ids": tokens}
    inputs = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
    return inputs | ({"decoder_input_ids": tokens.clone()} if config.is_encoder_decoder else {})


def _pair(size: Any) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])
