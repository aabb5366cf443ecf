"""A tiny supernet and labelled token rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from nas.data import EncodedDataset
from nas.data.dataset import offsets_of
from nas.evaluation import Evaluator, arrays_of, skeleton_of
from nas.supernet import Supernet
from search_spaces import LayerUnits, SubnetConfig

SIZES = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64, "vocab_size": 100}


@pytest.fixture(scope="session")
def make_supernet(tiny_model: Callable[..., Any]) -> Callable[..., Supernet]:
    """Hidden size 32, 3 layers, 4 heads, 64 neurons, 2 classes, unless told otherwise."""

    def make(kind: str = "bert", **changes: Any) -> Supernet:
        return Supernet.from_model(tiny_model(kind, **(SIZES | {"num_labels": 2} | changes)))

    return make


@pytest.fixture(scope="session")
def supernet(make_supernet: Callable[..., Supernet]) -> Supernet:
    """Shared: tests leave its weights alone."""
    return make_supernet()


@pytest.fixture(scope="session")
def make_data() -> Callable[..., EncodedDataset]:
    """Rows of random tokens of 1 to 20, with given labels; a regression where they are floats."""

    def make(labels: Sequence[float], *, seed: int = 0) -> EncodedDataset:
        generator = np.random.default_rng(seed)
        lengths = generator.integers(1, 21, len(labels))
        is_regression = np.asarray(labels).dtype.kind == "f"
        return EncodedDataset(
            tokens=generator.integers(5, 100, lengths.sum()).astype(np.int32),
            offsets=offsets_of(lengths),
            token_types=None,
            labels=np.asarray(labels, dtype=np.float32 if is_regression else np.int64),
            label_names=() if is_regression else ("no", "yes"),
            max_length=20,
            pad_token_id=0,
            padding_side="right",
        )

    return make


@pytest.fixture(scope="session")
def data(make_data: Callable[..., EncodedDataset]) -> EncodedDataset:
    """Fifty labelled rows."""
    return make_data([int(label) for label in np.random.default_rng(1).integers(0, 2, 50)])


@pytest.fixture(scope="session")
def worker_of() -> Callable[[Evaluator, Supernet], Any]:
    """What a worker builds of an evaluator: called with a sub-network's JSON."""

    def build(evaluator: Evaluator, supernet: Supernet) -> Any:
        return evaluator.prepare(supernet).factory(skeleton_of(supernet))(arrays_of(supernet))

    return build


@pytest.fixture(scope="session")
def mixed() -> SubnetConfig:
    """Index sets, a cut residual stream, a removed attention, a dropped layer."""
    layers = (LayerUnits(heads=(1, 3), ffn=24), LayerUnits(heads=0, ffn=(5, 9, 60)), None)
    return SubnetConfig(hidden=tuple(range(3, 27)), layers=layers)
