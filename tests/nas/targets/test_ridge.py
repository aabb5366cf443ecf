"""The regression behind predicted latencies."""

from __future__ import annotations

import numpy as np
import pytest

from nas.targets.ridge import RidgeFit

SCALES = np.array([3.0, 3.0, 0.1])


def data(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    rows = np.column_stack([np.ones(20), generator.uniform(size=(20, 2))])
    ratios = rows @ [0.1, 0.6, 0.05] * np.exp(0.02 * generator.standard_normal(20))
    return rows, ratios, generator.uniform(0.01, 0.03, size=20)


def test_errors_of_left_out_rows_are_those_of_fits_without_them() -> None:
    rows, ratios, spreads = data()
    fit = RidgeFit(rows, ratios, spreads, SCALES)
    for left_out in range(len(rows)):
        rest = np.arange(len(rows)) != left_out
        without = RidgeFit(rows[rest], ratios[rest], spreads[rest], SCALES)
        error = 1 - without.predict(rows[left_out]) / ratios[left_out]
        assert fit.left_out[left_out] == pytest.approx(error, rel=1e-6)


def test_a_weight_that_is_thought_small_stays_small() -> None:
    rows, ratios, spreads = data()
    bends = [
        fit.predict(np.array([0.0, 0.0, 1.0]))
        for scale in (1e-4, 3.0)
        for fit in [RidgeFit(rows, ratios, spreads, np.array([3.0, 3.0, scale]))]
    ]
    assert abs(bends[0]) < 1e-3 < abs(bends[1])


def test_the_bound_of_a_ratio_that_is_predicted_negative_is_zero() -> None:
    fit = RidgeFit(*data(), SCALES)
    assert fit.lower(np.array([-1.0, 0.0, 0.0])) == 0.0
