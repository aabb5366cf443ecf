"""A supernet that was trained as a whole, and data that it learnt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nas.data import EncodedDataset
from nas.supernet import Supernet
from nas.training import Budget, TrainOptions, train_supernet
from search_spaces import LayerUnits, SubnetConfig

TRAINING = TrainOptions(batch_size=8, precision="float32", learning_rate=3e-3, checkpoint_seconds=0.0)


@pytest.fixture(scope="session")
def data() -> EncodedDataset:
    """Texts of 3 to 6 tokens whose tokens all tell the label."""
    generator = np.random.default_rng(0)
    labels = generator.integers(3, size=48)
    rows = [5 + 10 * label + generator.integers(10, size=generator.integers(3, 7)) for label in labels]
    return EncodedDataset(
        tokens=np.concatenate(rows).astype(np.int32),
        offsets=np.cumsum([0, *map(len, rows)]),
        token_types=None,
        labels=labels,
        label_names=("a", "b", "c"),
        max_length=8,
        pad_token_id=0,
        padding_side="right",
    )


@pytest.fixture(scope="session")
def make_supernet(tiny_model: Callable[..., Any]) -> Callable[..., Supernet]:
    """A supernet of a tiny random model; arguments as `tiny_model`."""

    def make(kind: str = "bert", **options: Any) -> Supernet:
        return Supernet.from_model(tiny_model(kind, **options))

    return make


@pytest.fixture(scope="session")
def trained(make_supernet: Callable[..., Supernet], data: EncodedDataset) -> Supernet:
    """Shared: tests leave its weights alone."""
    supernet = make_supernet()
    train_supernet(supernet, data, strategy="standard", budget=Budget(passes=60), options=TRAINING)
    return supernet


@pytest.fixture(scope="session")
def target() -> SubnetConfig:
    """Two of three layers, one without attention; index sets among the prefixes."""
    layers = (LayerUnits(heads=2, ffn=(0, 2, 5, 7)), None, LayerUnits(heads=0, queries=0, ffn=6))
    return SubnetConfig(hidden=16, layers=layers)
