"""Estimates from the first examples."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from nas.racing.bounds import regression_estimate, serfling_estimate

NONE = np.empty((0,))


def _population(generator: np.random.Generator, size: int = 800) -> tuple[np.ndarray, np.ndarray]:
    """Whether two sub-networks are right; they agree on most examples."""
    difficulty = generator.random(size)
    control = difficulty + 0.1 * generator.standard_normal(size) < 0.85
    values = difficulty + 0.1 * generator.standard_normal(size) < 0.80
    return values.astype(float), control.astype(float)


def test_all_examples_leave_no_error() -> None:
    values = np.array([0.0, 1.0, 1.0, 1.0])
    estimate = regression_estimate(values, np.empty((4, 0)), NONE, share=1.0, spread=1.0)
    assert (estimate.mean, estimate.error) == (0.75, 0.0)


def test_a_control_variate_corrects_for_easy_examples() -> None:
    control = np.concatenate([np.ones(60), np.zeros(40)])  # the first are easy
    values = control.copy()
    seen = regression_estimate(
        values[:70], control[:70, None], np.array([control.mean()]), share=0.7, spread=1.0
    )
    assert values[:70].mean() == pytest.approx(0.857, abs=1e-3)
    assert seen.mean == pytest.approx(0.6)


@pytest.mark.parametrize("size", [32, 100, 400])
@pytest.mark.parametrize("confidence", [0.85, 0.95])
def test_a_normal_bound_fails_as_seldom_as_it_says(size: int, confidence: float) -> None:
    quantile = NormalDist().inv_cdf(confidence)
    generator = np.random.default_rng(size)
    failures = 0
    for _ in range(600):
        values, control = _population(generator)
        order = generator.permutation(len(values))
        values, control = values[order], control[order]
        estimate = regression_estimate(
            values[:size],
            control[:size, None],
            np.array([control.mean()]),
            share=size / len(values),
            spread=1.0,
        )
        failures += estimate.bound(quantile, 1) < values.mean()
    assert failures / 600 <= 1 - confidence + 0.04


def test_a_control_variate_makes_the_error_smaller() -> None:
    values, control = _population(np.random.default_rng(0))
    alone = regression_estimate(values[:100], np.empty((100, 0)), NONE, share=0.125, spread=1.0)
    with_control = regression_estimate(
        values[:100], control[:100, None], np.array([control.mean()]), share=0.125, spread=1.0
    )
    assert with_control.error < 0.8 * alone.error


def test_agreement_on_a_few_examples_proves_nothing() -> None:
    values = np.ones(32)
    estimate = regression_estimate(values, np.ones((32, 1)), np.array([0.9]), share=0.04, spread=1.0)
    assert estimate.error > 0.01


def test_an_anytime_bound_holds_at_every_stage_together() -> None:
    generator, stages, failures = np.random.default_rng(5), (100, 200, 400), 0
    for _ in range(200):
        values, control = _population(generator)
        order = generator.permutation(len(values))
        values, control = values[order], control[order]
        estimates = [
            serfling_estimate(
                values[:n], control[:n], control.mean(), num_examples=len(values), risk=0.15 / 3
            )
            for n in stages
        ]
        failures += any(one.bound(0.0, 1) < values.mean() for one in estimates)
    assert failures / 200 <= 0.15


def test_an_anytime_bound_is_wider_than_a_normal_one() -> None:
    values, control = _population(np.random.default_rng(1))
    strict = serfling_estimate(values[:200], control[:200], control.mean(), num_examples=800, risk=0.05)
    normal = regression_estimate(
        values[:200], control[:200, None], np.array([control.mean()]), share=0.25, spread=1.0
    )
    assert strict.error > 1.64 * normal.error
