"""Rotations that would change the function, or cannot be made, are refused before anything is changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import transformers
from transformers import AutoConfig

from nas.errors import ConfigError, UnsupportedModelError
from nas.families.registry import known_families
from nas.families.stream import UNDESCRIBED
from nas.supernet import Supernet
from search_spaces import SubnetConfig

SIZES = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "intermediate_size": 20,
    "vocab_size": 40,
    "max_position_embeddings": 24,
    "pad_token_id": 0,
}
HEAD_DIM = {"head_dim": 6}
MBART = {
    f"{stack}_{name}": size
    for stack in ("encoder", "decoder")
    for name, size in {"layers": 2, "attention_heads": 4, "ffn_dim": 20}.items()
}
IMAGES = {"image_size": 8, "patch_size": 4}
ROTATION = {"hidden": "pca_rotation"}
TASKS = {
    "AutoModelForCausalLM": "causal-lm",
    "AutoModelForSeq2SeqLM": "seq2seq-lm",
    "AutoModelForSequenceClassification": "sequence-classification",
    "AutoModel": "feature-extraction",
}
LM, SEQ2SEQ, CLASSIFIER, BASE = TASKS


@pytest.mark.parametrize(
    ("model_type", "auto", "changes", "reason"),
    [
        ("bert", CLASSIFIER, {}, "it is post-norm"),
        ("opt", LM, {"ffn_dim": 20, "do_layer_norm_before": False}, "no model.decoder.final_layer_norm"),
        ("mbart", SEQ2SEQ, MBART, "norm of the embeddings begins it"),
        ("modernbert", CLASSIFIER, {}, "norm of the embeddings begins it"),
        ("gemma2", LM, HEAD_DIM, "sub-layers ends in a norm"),
        ("llama", BASE, HEAD_DIM, "hands out what norm emits"),
        ("gpt2", BASE, {"n_inner": 20}, "hands out what ln_f emits"),
        ("vit", BASE, IMAGES, "hands out what layernorm emits"),
    ],
)
def test_a_model_whose_function_a_rotation_would_change_is_refused_unchanged(
    model_type: str, auto: str, changes: dict[str, Any], reason: str, tiny_batch: Callable[..., Any]
) -> None:
    config = AutoConfig.for_model(model_type, **(SIZES | changes))
    with torch.random.fork_rng():
        model = getattr(transformers, auto).from_config(config)
    supernet = Supernet(model, task=TASKS[auto])
    before = supernet.sha256
    with pytest.raises(UnsupportedModelError, match=reason):
        supernet.rank(ROTATION, [tiny_batch()])
    assert (supernet.sha256, supernet.ranking) == (before, {})


def test_a_rotation_without_data_is_refused(make_supernet: Callable[..., Supernet]) -> None:
    with pytest.raises(ConfigError, match="pca_rotation needs calibration data"):
        make_supernet("llama").rank("pca_rotation")


def test_a_rotation_inside_an_active_sub_network_is_refused(
    make_supernet: Callable[..., Supernet], tiny_batch: Callable[..., Any]
) -> None:
    supernet = make_supernet("llama")
    with (
        supernet.active(SubnetConfig(hidden=18, layers=supernet.full.layers)),
        pytest.raises(ConfigError, match="leave the `with` block"),
    ):
        supernet.rank(ROTATION, [tiny_batch()])


def test_every_family_says_whether_its_stream_can_be_rotated() -> None:
    own = [family for family in known_families() if type(family).__module__.startswith("nas.")]
    assert [type(family).__name__ for family in own if family.stream == UNDESCRIBED] == []
