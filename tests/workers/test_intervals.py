from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.intervals import Interval, median_interval


@pytest.mark.parametrize(
    # Ranks from the binomial distribution: David and Nagaraja 2003, Sec. 7.1, and any table of the sign test.
    ("count", "low_rank"),
    [(6, 1), (9, 2), (10, 2), (20, 6), (30, 10), (50, 18), (100, 40)],
)
def test_bounds_are_the_ranks_of_the_sign_test(count: int, low_rank: int) -> None:
    found = median_interval(np.arange(1, count + 1), 0.95)
    assert (found.low, found.high) == (low_rank, count + 1 - low_rank)


def test_exact_and_approximate_ranks_meet() -> None:
    exact, approximate = (median_interval(np.arange(count), 0.95) for count in (200, 201))
    assert approximate.low == pytest.approx(exact.low, abs=1)
    assert approximate.high == pytest.approx(exact.high, abs=2)


@given(
    values=st.lists(st.floats(0.1, 10.0), min_size=1, max_size=300),
    confidence=st.sampled_from([0.5, 0.9, 0.95, 0.99]),
)
def test_the_median_lies_between_its_bounds(values: list[float], confidence: float) -> None:
    found = median_interval(np.array(values), confidence)
    assert min(values) <= found.low <= found.estimate <= found.high <= max(values)


@given(values=st.lists(st.floats(0.1, 10.0), min_size=1, max_size=100))
def test_more_confidence_never_narrows_the_interval(values: list[float]) -> None:
    narrow, wide = (median_interval(np.array(values), confidence) for confidence in (0.8, 0.99))
    assert wide.low <= narrow.low
    assert narrow.high <= wide.high


def test_an_estimate_of_zero_has_no_relative_precision() -> None:
    assert not Interval(estimate=0.0, low=0.0, high=1.0).is_within(0.01)
    assert Interval(estimate=0.02, low=0.018, high=0.022).is_within(0.01, absolute=0.0025)
    assert not Interval(estimate=0.02, low=0.018, high=0.022).is_within(0.01)
