"""Tiny random models and sub-networks that several test folders share; nothing here reaches the network."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st

from search_spaces import LayerShape, LayerUnits, ModelShape, SubnetConfig

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # spinning threads starve each other on few cores
# Times vary on shared machines; an example that fails is printed and replayed all the same.
settings.register_profile("nas", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("nas")


@pytest.fixture(scope="session")
def subnets() -> Callable[[ModelShape], st.SearchStrategy[SubnetConfig]]:
    """Strategy of sub-networks of a model: any index sets, removed sub-layers and dropped blocks too."""

    def units(full: int, least: int = 0) -> st.SearchStrategy[Any]:
        some = st.sets(st.integers(0, full - 1), min_size=least).map(lambda kept: tuple(sorted(kept)))
        return st.one_of(st.just(full), st.integers(least, full), some)

    def layer(full: LayerShape) -> st.SearchStrategy[LayerUnits | None]:
        kept = st.builds(
            LayerUnits,
            heads=units(full.num_key_value_heads),
            queries=units(full.queries_per_head),
            ffn=units(full.intermediate_size),
        )
        return st.one_of(kept, kept, kept, st.none())

    @functools.cache
    def strategy(shape: ModelShape) -> st.SearchStrategy[SubnetConfig]:
        layers = st.tuples(*(layer(full) for full in shape.layers))
        return st.builds(SubnetConfig, hidden=units(shape.hidden_size, least=1), layers=layers)

    return strategy


@pytest.fixture(scope="session")
def tiny_model() -> Callable[..., Any]:
    """Make a classifier of 3 layers, 3 heads of 8 channels, 20 neurons, all its weights random."""
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    torch.set_num_threads(1)  # at these sizes threads only wait for each other

    def make(
        kind: str = "bert",
        *,
        dtype: str = "float32",
        seed: int = 0,
        attention: str = "eager",
        spread: float = 0.3,
        **changes: Any,
    ) -> Any:
        sizes = {
            "hidden_size": 24,
            "num_hidden_layers": 3,
            "num_attention_heads": 3,
            "intermediate_size": 20,
            "vocab_size": 40,
            "max_position_embeddings": 24,
            "num_labels": 3,
        }
        if kind.startswith("electra"):
            sizes["embedding_size"] = 16 if kind == "electra_projected" else 24
        config = AutoConfig.for_model(kind.removesuffix("_projected"), **(sizes | changes))
        model = AutoModelForSequenceClassification.from_config(config, attn_implementation=attention)
        generator = torch.Generator().manual_seed(seed)
        for name, parameter in model.named_parameters():
            centre = 1.0 if name.endswith("LayerNorm.weight") else 0.0
            parameter.data.normal_(centre, spread, generator=generator)
        return model.to(getattr(torch, dtype)).eval()

    return make


@pytest.fixture(scope="session")
def tiny_batch() -> Callable[..., Any]:
    """Make a batch of random tokens, the later rows padded, with labels."""
    import numpy as np
    import torch

    from nas.data import Batch

    def make(batch_size: int = 4, length: int = 7, *, seed: int = 0, num_labels: int = 3) -> Batch:
        generator = torch.Generator().manual_seed(seed)
        tokens = torch.randint(5, 40, (batch_size, length), generator=generator)
        kept = torch.arange(length, 0, -1).clamp(min=min(3, length))[:batch_size]
        mask = torch.arange(length) < kept[torch.arange(batch_size) % len(kept), None]
        return Batch(
            inputs={"input_ids": torch.where(mask, tokens, 1), "attention_mask": mask.long()},
            labels=torch.randint(0, num_labels, (batch_size,), generator=generator),
            indices=np.arange(batch_size),
        )

    return make
