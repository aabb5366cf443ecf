"""Random inputs of the kind that a model takes."""

from __future__ import annotations

from typing import Any, Final

import torch

#: The encoder's second convolution halves the frames of a recording.
_FRAMES_A_POSITION: Final = 2


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
        return {"pixel_values": random_images(config, batch_size, generator).to(dtype)}
    tokens = torch.randint(0, config.vocab_size, (batch_size, sequence_length), generator=generator)
    if model.main_input_name == "input_features":
        features = random_speech(config, batch_size, generator)
        return {"input_features": features.to(dtype), "decoder_input_ids": tokens}
    inputs = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
    return inputs | ({"decoder_input_ids": tokens.clone()} if config.is_encoder_decoder else {})


def random_images(config: Any, batch_size: int, generator: torch.Generator) -> torch.Tensor:
    """Pixels of the size that a model was made for, `(batch_size, channels, height, width)`."""
    side = config.image_size
    height, width = (side, side) if isinstance(side, int) else tuple(side)
    return torch.randn(batch_size, config.num_channels, height, width, generator=generator)


def random_speech(config: Any, batch_size: int, generator: torch.Generator) -> torch.Tensor:
    """Spectrograms as long as a model's encoder reads, `(batch_size, mel_bins, frames)`."""
    frames = _FRAMES_A_POSITION * config.max_source_positions
    return torch.randn(batch_size, config.num_mel_bins, frames, generator=generator)
