"""Random models of real sizes, and sub-networks of them."""

from __future__ import annotations

from typing import Any, Final

import torch
from transformers import BertConfig, BertForSequenceClassification, PreTrainedModel

from nas.supernet import Supernet
from search_spaces import LayerUnits, SubnetConfig

MINILM: Final = "MiniLM"
MINILM_12: Final = "MiniLM-L12"
BERT_BASE: Final = "BERT-base"
TINY: Final = "tiny"

_SIZES: Final[dict[str, dict[str, Any]]] = {
    MINILM: {"num_hidden_layers": 6, "hidden_size": 384, "intermediate_size": 1536},
    MINILM_12: {"num_hidden_layers": 12, "hidden_size": 384, "intermediate_size": 1536},
    BERT_BASE: {"num_hidden_layers": 12, "hidden_size": 768, "intermediate_size": 3072},
    TINY: {"num_hidden_layers": 2, "hidden_size": 48, "intermediate_size": 64, "vocab_size": 100},
}
_HEADS: Final = 12


def random_model(name: str) -> PreTrainedModel:
    """A classifier with random weights, in evaluation mode."""
    torch.manual_seed(0)
    config = BertConfig(num_attention_heads=_HEADS, **_SIZES[name])
    model: PreTrainedModel = BertForSequenceClassification(config)
    model.train(mode=False)
    return model


def random_supernet(name: str) -> Supernet:
    """A supernet of a random model."""
    return Supernet(random_model(name), task="sequence-classification")


def random_inputs(supernet: Supernet, batch_size: int, length: int) -> dict[str, torch.Tensor]:
    """Random tokens without padding."""
    config: Any = supernet.model.config
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(0, config.vocab_size, (batch_size, length), generator=generator)
    return {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}


def quarter(supernet: Supernet) -> SubnetConfig:
    """A quarter of the heads and of the neurons in every layer: a quarter of all blocks' weights."""
    shape = supernet.shape
    return SubnetConfig(
        hidden=shape.hidden_size,
        layers=tuple(
            LayerUnits(heads=full.num_key_value_heads // 4, queries=1, ffn=full.intermediate_size // 4)
            for full in shape.layers
        ),
    )


def narrow(supernet: Supernet) -> SubnetConfig:
    """Two thirds of the embedding dimension, all heads, neurons and layers."""
    shape = supernet.shape
    full = SubnetConfig.full(shape)
    return SubnetConfig(hidden=shape.hidden_size * 2 // 3, layers=full.layers)


def every_second_unit(supernet: Supernet) -> SubnetConfig:
    """Every second channel, head and neuron, as explicit index sets."""
    shape = supernet.shape
    return SubnetConfig(
        hidden=tuple(range(0, shape.hidden_size, 2)),
        layers=tuple(
            LayerUnits(
                heads=tuple(range(0, full.num_key_value_heads, 2)),
                queries=1,
                ffn=tuple(range(0, full.intermediate_size, 2)),
            )
            for full in shape.layers
        ),
    )
