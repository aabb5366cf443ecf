"""A task that a tiny model can learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nas.data import EncodedDataset
from nas.supernet import Supernet


@pytest.fixture(scope="session")
def tiny_data() -> Callable[..., EncodedDataset]:
    """Texts of 3 to 6 tokens whose tokens all tell the label."""

    def make(num_examples: int = 22, *, num_labels: int = 3, seed: int = 0) -> EncodedDataset:
        generator = np.random.default_rng(seed)
        labels = generator.integers(num_labels, size=num_examples)
        rows = [5 + 10 * label + generator.integers(10, size=generator.integers(3, 7)) for label in labels]
        return EncodedDataset(
            tokens=np.concatenate(rows).astype(np.int32),
            offsets=np.cumsum([0, *map(len, rows)]),
            token_types=None,
            labels=labels,
            label_names=tuple("abcdef"[:num_labels]),
            max_length=8,
            pad_token_id=0,
            padding_side="right",
        )

    return make


@pytest.fixture(scope="session")
def make_supernet(tiny_model: Callable[..., Any]) -> Callable[..., Supernet]:
    """A supernet of a tiny model; arguments as `tiny_model`."""

    def make(kind: str = "bert", **options: Any) -> Supernet:
        return Supernet.from_model(tiny_model(kind, **options))

    return make
