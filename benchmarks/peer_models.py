"""Building the models of `benchmarks.peer_cases`, and what is measured on them before and after.

Imports neither `nas` nor the peer, so that each side runs in a Python that has only its own library.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import transformers
from torch import nn

from benchmarks.peer_cases import Case


def build(case: Case, *, quick: bool) -> nn.Module:
    """The model with random weights in evaluation mode; `quick` has 2 narrow blocks."""
    head_dim, blocks = (8, 2) if quick else (64, _blocks(case))
    hidden = case.heads * head_dim
    named: dict[Any, Any] = {
        "hidden": hidden,
        "head": head_dim,
        "blocks": blocks,
        "heads": case.heads,
        "intermediate": 128 * round(hidden * 8 / 3 / 128) if case.is_gated else 4 * hidden,
    }
    order = ("hidden", "blocks", "heads", "intermediate")
    entries = {entry: named[size] for entry, size in zip(case.common, order, strict=True) if entry}
    entries |= {key: named.get(size, size) for key, size in case.sizes.items()}
    if case.key_value_heads is not None:
        entries["num_key_value_heads"] = case.key_value_heads
    if case.head != "ForImageClassification":
        entries["vocab_size"] = 100 if quick else 16_000
    torch.manual_seed(0)
    config = getattr(transformers, case.config or f"{case.prefix}Config")(**entries)
    config._attn_implementation = case.attention
    model: nn.Module = getattr(transformers, f"{case.prefix}{case.head}")(config)
    model.train(mode=False)
    return model


def inputs_of(case: Case, model: Any, *, batch_size: int) -> dict[str, torch.Tensor]:
    """Words without padding, noise for images and sounds."""
    generator = torch.Generator().manual_seed(0)
    config = model.config
    if case.head == "ForImageClassification":
        size = config.image_size
        return {"pixel_values": torch.randn(batch_size, 3, size, size, generator=generator)}
    words = torch.randint(3, config.vocab_size, (batch_size, 16), generator=generator)
    if case.name == "whisper":
        frames = 2 * config.max_source_positions
        sound = torch.randn(batch_size, config.num_mel_bins, frames, generator=generator)
        return {"input_features": sound, "decoder_input_ids": words}
    if case.name == "t5":
        return {"input_ids": words, "decoder_input_ids": words.flip(1)}
    return {"input_ids": words}


def logits_of(model: Any, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """The model's output for the inputs, in float32."""
    with torch.inference_mode():
        logits: torch.Tensor = model(**inputs).logits.float()
    if not bool(torch.isfinite(logits).all()):
        raise ValueError("the outputs of the pruned model are not finite")
    return logits


def sizes_of(case: Case, model: Any) -> dict[str, int]:
    """Total inputs of attention outputs (`heads`) and FFN outputs (`ffn`), and the `hidden` size."""
    found = {"heads": 0, "ffn": 0, "hidden": 0}
    for name, module in model.named_modules():
        if name.endswith(case.layout.attention_output):
            found["heads"] += in_features(module)
            found["hidden"] = module.weight.numel() // in_features(module)
        elif name.endswith(case.layout.ffn_output):
            found["ffn"] += in_features(module)
    return found


def in_features(module: Any) -> int:
    """Inputs of a Linear, or of GPT-2's transposed one."""
    return int(module.weight.shape[1 if isinstance(module, nn.Linear) else 0])


def kept_of(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, float]:
    """Shares that are left, by the names of `sizes_of`."""
    return {name: round(after[name] / size, 3) for name, size in before.items()}


def largest_difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """The largest absolute difference; infinite where the shapes differ."""
    return float((ours - theirs).abs().max()) if ours.shape == theirs.shape else math.inf


def _blocks(case: Case) -> int:
    """Fewer where a block is larger or an encoder has a decoder beside it."""
    if case.head == "ForConditionalGeneration":
        return 6
    return 12 if case.heads == 12 else 8
