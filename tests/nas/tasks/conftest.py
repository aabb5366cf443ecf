"""Tiny random models of several families, with transformers' own classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

TEXT = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
CONFIGS: dict[str, dict[str, Any]] = {
    "bert": {**TEXT, "intermediate_size": 12, "max_position_embeddings": 24},
    "gpt2": {"vocab_size": 40, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 24},
    "llama": {**TEXT, "intermediate_size": 12, "num_key_value_heads": 1},
    "t5": {"vocab_size": 40, "d_model": 16, "d_kv": 8, "d_ff": 12, "num_layers": 2, "num_heads": 2},
    "vit": {**TEXT, "intermediate_size": 12, "image_size": 8, "patch_size": 4, "num_channels": 3},
    "whisper": {
        **{"vocab_size": 40, "d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "num_mel_bins": 4},
        **{"encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 12},
        **{"decoder_ffn_dim": 12, "max_source_positions": 6, "max_target_positions": 12},
        **{"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 3},
    },
}


@pytest.fixture(scope="session")
def head_model() -> Callable[..., Any]:
    """A random model with a task's head: `head_model("gpt2", "causal-lm")`."""
    import torch
    from transformers import AutoConfig

    from nas.tasks import head_class, task_of

    torch.set_num_threads(1)

    def make(kind: str, task: str, **changes: Any) -> Any:
        torch.manual_seed(0)
        config = AutoConfig.for_model(kind, **(CONFIGS[kind] | changes))
        model = head_class(task_of(task), config).from_config(config)
        return model.eval()

    return make
