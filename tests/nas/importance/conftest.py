"""Full models to score."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoConfig

from nas.data import Batch
from nas.families import random_inputs
from nas.importance.base import Subject
from nas.supernet import Supernet
from nas.tasks import head_class, task_of

TOKENS = {"bos_token_id": 2, "eos_token_id": 2}
#: Task and sizes of each kind.
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": (
        "causal-lm",
        {
            "hidden_size": 24,
            "num_hidden_layers": 3,
            "num_attention_heads": 6,
            "num_key_value_heads": 3,
            "intermediate_size": 16,
            **TOKENS,
        },
    ),
    "gpt2": ("causal-lm", {"n_embd": 24, "n_layer": 3, "n_head": 3, **TOKENS}),
    "t5": (
        "seq2seq-lm",
        {
            "d_model": 16,
            "d_kv": 4,
            "d_ff": 24,
            "num_layers": 3,
            "num_decoder_layers": 2,
            "num_heads": 3,
            "decoder_start_token_id": 0,
        },
    ),
    "whisper": (
        "seq2seq-lm",
        {
            "num_mel_bins": 4,
            "d_model": 16,
            "encoder_layers": 2,
            "decoder_layers": 2,
            "encoder_attention_heads": 2,
            "decoder_attention_heads": 2,
            "encoder_ffn_dim": 16,
            "decoder_ffn_dim": 16,
            "max_source_positions": 6,
            "max_target_positions": 12,
            "pad_token_id": 0,
            "decoder_start_token_id": 2,
            **TOKENS,
        },
    ),
    "vit": (
        "image-classification",
        {
            "hidden_size": 16,
            "num_hidden_layers": 3,
            "num_attention_heads": 2,
            "intermediate_size": 24,
            "image_size": 8,
            "patch_size": 4,
        },
    ),
    "bert": (
        "sequence-classification",
        {
            "hidden_size": 16,
            "num_hidden_layers": 3,
            "num_attention_heads": 2,
            "intermediate_size": 24,
            "max_position_embeddings": 16,
            "num_labels": 3,
        },
    ),
    "opt": (
        "causal-lm",
        {
            "hidden_size": 16,
            "num_hidden_layers": 3,
            "num_attention_heads": 2,
            "ffn_dim": 24,
            "word_embed_proj_dim": 16,
            "max_position_embeddings": 16,
            **TOKENS,
        },
    ),
    "modernbert": (
        "masked-lm",
        {
            "hidden_size": 16,
            "num_hidden_layers": 3,
            "num_attention_heads": 2,
            "intermediate_size": 24,
            "pad_token_id": 0,
            **TOKENS,
        },
    ),
}


@pytest.fixture(scope="session")
def make_subject(tiny_model: Callable[..., Any]) -> Callable[..., Subject]:
    """A tiny classifier with its description; arguments as `tiny_model`, float64 unless told."""

    def make(kind: str = "bert", **options: Any) -> Subject:
        model = tiny_model(kind, **({"dtype": "float64"} | options))
        task = "regression" if options.get("num_labels") == 1 else "sequence-classification"
        return subject_of(Supernet(model, task=task))

    return make


@pytest.fixture(scope="session")
def as_subject() -> Callable[[Supernet], Subject]:
    """What is scored of a supernet."""
    return subject_of


def subject_of(supernet: Supernet) -> Subject:
    return Subject(
        model=supernet.model,
        shape=supernet.shape,
        family=supernet.family,
        task=task_of(supernet.task),
        active=supernet.active,
    )


@pytest.fixture(scope="session")
def tiny_supernet() -> Callable[..., Supernet]:
    """A tiny random model of a kind with the head of its task."""

    def make(kind: str, *, dtype: str = "float32", **changes: Any) -> Supernet:
        task, sizes = KINDS[kind]
        torch.manual_seed(0)
        config = AutoConfig.for_model(
            kind, **{"vocab_size": 16, "initializer_range": 0.3, **sizes, **changes}
        )
        model = head_class(task_of(task), config).from_config(config)
        return Supernet(model.to(getattr(torch, dtype)), task=task)

    return make


@pytest.fixture(scope="session")
def labelled_batch() -> Callable[..., Batch]:
    """Four random examples with random labels; the first text is padded."""

    def make(supernet: Supernet, *, seed: int = 1) -> Batch:
        inputs = random_inputs(supernet.model, 4, 6, seed=seed)
        if "attention_mask" in inputs:
            inputs["attention_mask"][0, 4:] = 0
        generator = torch.Generator().manual_seed(seed)
        is_class = supernet.task in ("image-classification", "sequence-classification")
        shape = (4,) if is_class else (4, 6)
        labels = torch.randint(0, 2 if is_class else 16, shape, generator=generator)
        if supernet.task == "causal-lm":
            labels = inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, -100)
        return Batch(inputs=inputs, labels=labels, indices=np.arange(4))

    return make
