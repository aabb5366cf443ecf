"""Outcomes: merging and storing them changes no metric by a bit."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nas
from nas.evaluation import Outcome

CLASSES = 3
SCORES = {
    "class": ("accuracy", "f1_macro", "matthews_correlation", "loss"),
    "number": ("mse", "pearson", "spearman", "loss"),
    "token": ("accuracy", "f1_macro", "loss", "perplexity"),
    "loss": ("loss", "perplexity"),
}


def outcome_of(kind: str, examples: int, seed: int) -> Outcome:
    """A random outcome as a task of that kind leaves it."""
    generator = np.random.default_rng(seed)
    counts = generator.integers(1, 5, examples) if kind in ("token", "loss") else np.ones(examples, np.int64)
    items = int(counts.sum())
    predictions, labels = {
        "class": (generator.normal(size=(examples, CLASSES)), generator.integers(0, CLASSES, examples)),
        "number": (generator.normal(size=(examples, 1)), generator.normal(size=examples)),
        "token": (generator.integers(0, CLASSES, items), generator.integers(0, CLASSES, items)),
        "loss": (None, None),
    }[kind]
    if predictions is not None:
        predictions = predictions.astype(np.int32 if kind == "token" else np.float32)
        labels = labels.astype(np.float32 if kind == "number" else np.int64)
    sums = (generator.exponential(size=examples) * counts).astype(np.float32)
    return Outcome(sums=sums, counts=counts, predictions=predictions, labels=labels)


def cut(outcome: Outcome, start: int, stop: int) -> Outcome:
    """Some consecutive examples of an outcome."""
    ends = np.concatenate([[0], np.cumsum(outcome.counts)])
    rows = slice(ends[start], ends[stop])
    return Outcome(
        sums=outcome.sums[start:stop],
        counts=outcome.counts[start:stop],
        predictions=None if outcome.predictions is None else outcome.predictions[rows],
        labels=None if outcome.labels is None else outcome.labels[rows],
    )


@pytest.mark.parametrize("kind", list(SCORES))
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), bounds=st.sets(st.integers(1, 19), max_size=4))
def test_the_metrics_of_merged_parts_are_those_of_the_whole(kind: str, seed: int, bounds: set[int]) -> None:
    whole = outcome_of(kind, 20, seed)
    edges = [0, *sorted(bounds), 20]
    merged = Outcome.merged([cut(whole, a, b) for a, b in pairwise(edges)])
    assert merged.values(SCORES[kind]) == whole.values(SCORES[kind])


@pytest.mark.parametrize("kind", list(SCORES))
def test_a_stored_outcome_is_read_back_as_it_was(kind: str) -> None:
    outcome = outcome_of(kind, 9, seed=1)
    again = Outcome.from_bytes(outcome.to_bytes())
    for name in ("sums", "counts", "predictions", "labels"):
        before, after = getattr(outcome, name), getattr(again, name)
        np.testing.assert_array_equal(after, before)
        assert (before is None) or after.dtype == before.dtype


def test_labels_and_classes_of_tokens_are_stored_in_a_byte_each() -> None:
    outcomes = [outcome_of("token", examples, seed=1) for examples in (1000, 2000)]
    items = outcomes[1].counts.sum() - outcomes[0].counts.sum()
    grown = len(outcomes[1].to_bytes()) - len(outcomes[0].to_bytes())
    assert grown == 1000 * (4 + 1) + items * (1 + 1)


def test_classes_beyond_a_byte_are_stored_exactly() -> None:
    ones = np.ones(2, np.int64)
    outcome = Outcome(
        sums=ones.astype(np.float32), counts=ones, predictions=np.array([50_000, 3], np.int32), labels=ones
    )
    assert Outcome.from_bytes(outcome.to_bytes()).predictions.tolist() == [50_000, 3]


def test_bytes_of_another_version_are_refused() -> None:
    with pytest.raises(nas.ConfigError, match="evaluate the sub-network again"):
        Outcome.from_bytes(b"\x93NUMPY of an older version")


def test_an_example_without_counted_items_has_no_loss() -> None:
    outcome = Outcome(
        sums=np.array([0.0, 3.0], np.float32), counts=np.array([0, 2]), predictions=None, labels=None
    )
    assert outcome.losses.tolist() == [0.0, 1.5]
    assert outcome.values(["loss"]) == {"loss": 1.5}
