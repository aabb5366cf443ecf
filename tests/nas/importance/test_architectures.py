"""Ranking decoders, encoder-decoders and image models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoConfig

import nas
from nas.data import Batch
from nas.families import random_inputs
from nas.importance.ranking import DEFAULT
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
}
MakeSupernet = Callable[[str], nas.Supernet]


@dataclass(frozen=True, kw_only=True)
class Unlabelled:
    """Calibration data without labels."""

    inputs: dict[str, torch.Tensor]
    labels: None = None


@pytest.fixture
def make_supernet() -> MakeSupernet:
    """A tiny random model of a kind with the head of its task."""

    def make(kind: str) -> nas.Supernet:
        task, sizes = KINDS[kind]
        torch.manual_seed(0)
        config = AutoConfig.for_model(kind, **{"vocab_size": 16, "initializer_range": 0.3, **sizes})
        return nas.Supernet(head_class(task_of(task), config).from_config(config), task=task)

    return make


def _batch(supernet: nas.Supernet) -> Batch:
    """Four random examples with random labels; the first text is padded."""
    inputs = random_inputs(supernet.model, 4, 6)
    if "attention_mask" in inputs:
        inputs["attention_mask"][0, 4:] = 0
    generator = torch.Generator().manual_seed(1)
    shape = (4,) if supernet.task == "image-classification" else (4, 6)
    labels = torch.randint(0, 2 if len(shape) == 1 else 16, shape, generator=generator)
    if supernet.task == "causal-lm":
        labels = inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, -100)
    return Batch(inputs=inputs, labels=labels, indices=np.arange(4))


@pytest.mark.parametrize("importance", ["default", "minitron", "magnitude"])
@pytest.mark.parametrize("kind", KINDS)
def test_ranking_leaves_the_function_unchanged(
    kind: str, importance: str, make_supernet: MakeSupernet
) -> None:
    supernet = make_supernet(kind)
    batch = _batch(supernet)
    task = task_of(supernet.task)
    with torch.no_grad():
        before = task.forward(supernet.model, batch.inputs).logits
        ranking = supernet.rank(importance, [batch])
        after = task.forward(supernet.model, batch.inputs).logits
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-5)  # float32, sums in another order
    orders = ranking.orders
    assert orders.hidden is not None
    is_moved = [(order != np.arange(len(order))).any() for order in (orders.hidden, *orders.ffn.values())]
    assert any(is_moved)


@pytest.mark.parametrize("kind", KINDS)
def test_default_ranks_every_axis_of_every_block(kind: str, make_supernet: MakeSupernet) -> None:
    supernet = make_supernet(kind)
    ranking = supernet.rank("default", [_batch(supernet)])
    depth = supernet.shape.num_hidden_layers
    assert supernet.ranking == DEFAULT
    assert sorted(ranking.layer_order) == list(range(depth))
    assert set(ranking.orders.heads) == set(ranking.orders.ffn) == set(range(depth))


@pytest.mark.parametrize("kind", KINDS)
def test_block_influence_finds_the_block_that_does_nothing(kind: str, make_supernet: MakeSupernet) -> None:
    supernet = make_supernet(kind)
    idle = supernet.shape.num_hidden_layers - 1  # of an encoder-decoder, the decoder's last
    block = supernet.family.block_of(supernet.shape, idle)
    layer = supernet.family.layers_of(supernet.model)[idle]
    with torch.no_grad():
        for path in (*block.attention_outputs, block.ffn_output):
            for parameter in layer.get_submodule(path).parameters():
                parameter.zero_()
    ranking = supernet.rank("block_influence", [_batch(supernet)])
    assert ranking.layer_order[-1] == idle


def test_the_key_value_head_that_adds_nothing_is_ranked_last(make_supernet: MakeSupernet) -> None:
    supernet = make_supernet("llama")
    attention = supernet.model.model.layers[1].self_attn
    with torch.no_grad():
        attention.o_proj.weight[:, :8] = 0  # both query heads, of width 4, of the first key-value head
    ranking = supernet.rank("fisher_mask", [_batch(supernet)])
    assert ranking.orders.heads[1][-1] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_default_without_labels_is_refused(kind: str, make_supernet: MakeSupernet) -> None:
    supernet = make_supernet(kind)
    with pytest.raises(nas.ConfigError, match="fisher_mask needs labelled calibration data"):
        supernet.rank("default", [Unlabelled(inputs=_batch(supernet).inputs)])


@pytest.mark.parametrize("kind", KINDS)
def test_minitron_needs_no_labels(kind: str, make_supernet: MakeSupernet) -> None:
    supernet = make_supernet(kind)
    ranking = supernet.rank("minitron", [Unlabelled(inputs=_batch(supernet).inputs)])
    assert set(ranking.methods.values()) == {"minitron"}
