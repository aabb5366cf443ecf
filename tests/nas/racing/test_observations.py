"""Metrics as means."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nas.evaluation import Outcome
from nas.racing.observations import from_linear, head, observations, to_linear

MakeOutcome = Callable[..., Outcome]


@pytest.fixture
def hits() -> np.ndarray:
    return np.random.default_rng(0).random(200) < 0.8


@pytest.mark.parametrize("name", ["accuracy", "loss", "perplexity"])
def test_means_of_examples_are_the_metric(name: str, classified: MakeOutcome, hits: np.ndarray) -> None:
    outcome = classified(hits)
    values = observations(name, outcome, 1.0)
    assert values.shape == (200,)
    assert from_linear(name, values.mean()) == pytest.approx(outcome.values([name])[name])


@pytest.mark.parametrize("name", ["accuracy", "loss", "perplexity"])
def test_ratios_of_sums_are_means_over_the_whole_data(name: str, tagged: MakeOutcome) -> None:
    generator = np.random.default_rng(1)
    counts = generator.integers(1, 9, size=50)
    outcome = tagged(counts, generator.random(counts.sum()) < 0.7)
    values = observations(name, outcome, float(counts.mean()))
    assert values.shape == (50,)
    assert from_linear(name, values.mean()) == pytest.approx(outcome.values([name])[name])


@pytest.mark.parametrize("name", ["f1", "f1_macro", "matthews_correlation"])
def test_pseudo_values_average_to_the_metric_but_for_its_bias(
    name: str, classified: MakeOutcome, hits: np.ndarray
) -> None:
    outcome = classified(hits)
    values = observations(name, outcome, 1.0)
    assert values.shape == (40,)
    assert values.mean() == pytest.approx(outcome.values([name])[name], abs=0.01)


def test_the_spread_of_pseudo_values_is_the_metric_s_own(classified: MakeOutcome) -> None:
    """Against the standard deviation of f1 over many samples of the same size."""
    generator = np.random.default_rng(2)
    samples = [classified(generator.random(300) < 0.75) for _ in range(200)]
    scores = [one.values(["f1"])["f1"] for one in samples]
    errors = [observations("f1", one, 1.0).std(ddof=1) / np.sqrt(40) for one in samples]
    assert np.median(errors) == pytest.approx(np.std(scores), rel=0.15)


def test_a_head_has_the_first_examples_and_their_items(tagged: MakeOutcome) -> None:
    counts = np.array([2, 1, 3])
    first = head(tagged(counts, np.array([True, False, True, True, True, True])), 2)
    assert len(first) == 2
    assert first.values(["accuracy"])["accuracy"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(("name", "value"), [("perplexity", 7.0), ("accuracy", 0.5), ("loss", 2.0)])
def test_the_linear_scale_is_inverted(name: str, value: float) -> None:
    assert from_linear(name, to_linear(name, value)) == pytest.approx(value)


def test_values_beyond_the_range_of_a_metric_are_cut_off() -> None:
    assert from_linear("accuracy", 1.2) == 1.0
    assert from_linear("loss", -0.1) == 0.0
