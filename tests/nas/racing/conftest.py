"""Outcomes of imagined sub-networks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nas.evaluation import Outcome

MakeOutcome = Callable[..., Outcome]


@pytest.fixture
def classified() -> MakeOutcome:
    """Makes the outcome of a classifier that is right where told, with losses that go with it."""

    def make(hits: np.ndarray, labels: np.ndarray | None = None) -> Outcome:
        labels = np.arange(len(hits)) % 2 if labels is None else labels
        chosen = np.where(hits, labels, 1 - labels)
        logits = np.zeros((len(hits), 2), np.float32)
        logits[np.arange(len(hits)), chosen] = 1.0
        losses = np.where(hits, 0.31, 1.31).astype(np.float32)
        return Outcome(
            sums=losses,
            counts=np.ones(len(hits), np.int64),
            predictions=logits,
            labels=labels.astype(np.int64),
        )

    return make


@pytest.fixture
def tagged() -> MakeOutcome:
    """Makes the outcome of a tagger from the number of items an example and where it is right."""

    def make(counts: np.ndarray, hits: np.ndarray) -> Outcome:
        labels = np.arange(len(hits), dtype=np.int64) % 3
        return Outcome(
            sums=np.add.reduceat(np.where(hits, 0.1, 2.0), np.cumsum(counts) - counts).astype(np.float32),
            counts=counts,
            predictions=np.where(hits, labels, (labels + 1) % 3).astype(np.int32),
            labels=labels,
        )

    return make
