"""Tiny supernets with calibration data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from nas.supernet import Supernet
from nas.supernet.calibration import Remembered

KINDS: dict[str, dict[str, Any]] = {
    "bert": {},
    "gpt2": {"pad_token_id": 1},
    "opt": {"ffn_dim": 20, "pad_token_id": 1, "word_embed_proj_dim": 24},
    "llama": {"num_key_value_heads": 1, "pad_token_id": 1},
    "gpt_neox": {"pad_token_id": 1},
    "gemma2": {"num_key_value_heads": 1, "head_dim": 8, "pad_token_id": 1},
}
T5 = {
    "d_model": 24,
    "d_kv": 8,
    "d_ff": 20,
    "num_layers": 3,
    "num_heads": 3,
    "vocab_size": 40,
    "pad_token_id": 1,
}


@pytest.fixture(scope="session")
def make_supernet(tiny_model: Callable[..., Any], tiny_batch: Callable[..., Any]) -> Callable[..., Supernet]:
    """A classifier of 3 blocks, 3 heads of 8 channels and 20 neurons that remembers 48 rows in 3 batches."""

    def make(kind: str = "bert", **changes: Any) -> Supernet:
        supernet = Supernet.from_model(tiny_model(kind, **(KINDS[kind] | changes)))
        supernet.calibrate([tiny_batch(16, seed=seed) for seed in range(3)])
        return supernet

    return make


@pytest.fixture(scope="session")
def make_t5() -> Callable[[], Supernet]:
    """An encoder-decoder of 3 + 3 blocks with 24 rows of calibration data."""
    from transformers import AutoConfig, AutoModelForSeq2SeqLM

    def make() -> Supernet:
        config = AutoConfig.for_model("t5", **T5)
        model = AutoModelForSeq2SeqLM.from_config(config).eval()
        generator = torch.Generator().manual_seed(0)
        for parameter in model.parameters():
            parameter.data.normal_(0.0, 0.3, generator=generator)
        supernet = Supernet.from_model(model, task="seq2seq-lm")
        tokens = torch.randint(5, 40, (24, 6), generator=generator)
        inputs = {
            "input_ids": tokens,
            "attention_mask": torch.ones_like(tokens),
            "decoder_input_ids": tokens[:, :5],
        }
        supernet.calibrate([Remembered(inputs=inputs, labels=tokens[:, 1:])])
        return supernet

    return make
