"""What both sides of `benchmarks.whittle_strategies` start from: the network, the data and their order."""

from __future__ import annotations

import itertools
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

import nas
from benchmarks import whittle_case as shared
from benchmarks.whittle_case import BATCH, BLOCK, Case
from benchmarks.whittle_sizes import config_of, space_of

_SOURCE_BLOCKS: Final = 20_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Effort:
    """How much is done.

    Attributes:
        pretraining: passes of the full network over the standard library's source.
        passes: budget of every run.
        sentences: of each library at most.
        validation_blocks: that sub-networks are scored on.
    """

    seeds: int
    pretraining: int
    passes: int
    sentences: int
    validation_blocks: int
    num_random: int


def prepare(folder: Path, effort: Effort) -> Case:
    """Pretrain the network that both sides start from, and write it with the data and their order."""
    corpus = nas.docstring_corpus(limit_per_label=effort.sentences)
    train = blocks_of("\n".join(corpus.train.texts).encode())
    train = train[: len(train) // BATCH * BATCH]  # no smaller batch at the end of an epoch
    validation = blocks_of("\n".join(corpus.validation.texts).encode())[: effort.validation_blocks]
    supernet = pretrained(effort.pretraining)
    data = dataset_of(train)
    tensors = {f"weight.{name}": w.detach().clone() for name, w in supernet.model.named_parameters()}
    tensors |= {"train": torch.from_numpy(train), "validation": torch.from_numpy(validation)}
    with torch.no_grad():
        tensors["logits"] = supernet.model(input_ids=tensors["validation"][:BATCH]).logits
    for seed in range(effort.seeds):
        batches = itertools.islice(data.training_batches(BATCH, seed=seed), effort.passes)
        order = np.stack([batch.indices for batch in batches])
        tensors[f"order.{seed}"] = torch.from_numpy(order)
    save_file(tensors, shared.tensor_file(folder))
    evaluated = shared.evaluated_sizes(effort.num_random)
    space = space_of(supernet)
    full = supernet.cost(supernet.full).num_parameters
    costs = [supernet.cost(config_of(space, sizes)).num_parameters for sizes in evaluated]
    fractions = tuple(cost / full for cost in costs)
    case = Case(passes=effort.passes, evaluated=evaluated, fractions=fractions, tensors=tensors)
    shared.write_facts(folder, case)
    return case


def pretrained(passes: int) -> nas.Supernet:
    """A network that has read the standard library's source."""
    torch.manual_seed(0)
    supernet = nas.Supernet.from_model(LlamaForCausalLM(_model_config()), task="causal-lm")
    folder = Path(sysconfig.get_paths()["stdlib"])
    text = b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))
    data = dataset_of(blocks_of(text)[:_SOURCE_BLOCKS])
    nas.train_supernet(
        supernet, data, strategy="standard", budget=nas.Budget(passes=passes), options=options(0)
    )
    return supernet


def supernet_of(case: Case) -> nas.Supernet:
    """The starting network."""
    model = LlamaForCausalLM(_model_config())
    weights = {name: tensor for name, tensor in case.tensors.items() if name.startswith("weight.")}
    model.load_state_dict({name.removeprefix("weight."): tensor for name, tensor in weights.items()})
    return nas.Supernet.from_model(model, task="causal-lm")


def options(seed: int) -> nas.TrainOptions:
    """Settings that whittle's side is given too."""
    return nas.TrainOptions(
        batch_size=BATCH,
        learning_rate=shared.LEARNING_RATE,
        weight_decay=shared.WEIGHT_DECAY,
        warmup=shared.WARMUP,
        max_gradient_norm=shared.MAX_GRADIENT_NORM,
        precision="float32",
        seed=seed,
    )


def blocks_of(text: bytes) -> np.ndarray:
    """Bytes as `(blocks, BLOCK)`; the rest is dropped."""
    count = len(text) // BLOCK
    return np.frombuffer(text[: count * BLOCK], dtype=np.uint8).astype(np.int64).reshape(count, BLOCK)


def dataset_of(blocks: np.ndarray) -> nas.EncodedDataset:
    """Blocks whose labels are their own bytes."""
    tokens = blocks.reshape(-1).astype(np.int32)
    return nas.EncodedDataset(
        labels=tokens,
        label_names=(),
        tokens=tokens,
        offsets=np.arange(0, len(tokens) + 1, BLOCK, dtype=np.int64),
        token_types=None,
        max_length=BLOCK,
        pad_token_id=0,
        padding_side="right",
        label_layout="next-token",
    )


def _model_config() -> Any:
    full = shared.FULL
    config: Any = LlamaConfig
    return config(
        vocab_size=shared.VOCABULARY,
        hidden_size=full.hidden,
        intermediate_size=full.ffn,
        num_hidden_layers=full.layers,
        num_attention_heads=full.heads,
        num_key_value_heads=full.heads,
        head_dim=shared.HEAD_DIM,
        max_position_embeddings=BLOCK,
        rms_norm_eps=shared.NORM_EPSILON,
        rope_parameters={"rope_type": "default", "rope_theta": shared.ROPE_BASE},
        tie_word_embeddings=False,
        attn_implementation="sdpa",
        use_cache=False,
        bos_token_id=None,
        eos_token_id=None,
    )
