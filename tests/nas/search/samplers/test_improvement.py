"""The surrogate predicts what it was fitted to, and improvements are those of the front."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.search.samplers.improvement import cut_off, improvements
from nas.search.samplers.surrogate import Surrogate

FRONT = np.array([[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]])
VALUE = st.floats(-1, 2, allow_nan=False)


def additive(inputs: np.ndarray) -> np.ndarray:
    return np.asarray((inputs**2 @ np.arange(1.0, 7.0)) + inputs[:, 0] * inputs[:, 1])


@pytest.fixture(scope="module")
def surrogate() -> Surrogate:
    inputs = np.random.default_rng(0).random((60, 6))
    return Surrogate(inputs, additive(inputs))


def test_a_surrogate_predicts_unseen_points(surrogate: Surrogate) -> None:
    unseen = np.random.default_rng(1).random((50, 6))
    mean, _ = surrogate.predict(unseen)
    unexplained = np.var(mean - additive(unseen)) / np.var(additive(unseen))
    assert unexplained < 0.02


def test_a_surrogate_is_surest_where_it_has_results(surrogate: Surrogate) -> None:
    seen, far = np.random.default_rng(0).random((60, 6)), np.full((1, 6), 3.0)
    assert surrogate.predict(seen)[1].max() < 0.5 * surrogate.predict(far)[1].min()


def test_a_constant_output_is_predicted_as_such() -> None:
    inputs = np.random.default_rng(0).random((8, 3))
    assert np.allclose(Surrogate(inputs, np.full(8, 0.7)).predict(inputs)[0], 0.7)


@given(first=VALUE, second=VALUE)
def test_only_what_no_member_dominates_improves_the_front(first: float, second: float) -> None:
    gain = improvements(np.array([[first, second]]), FRONT)[0]
    is_covered = bool(np.any((FRONT[:, 0] <= first) & (FRONT[:, 1] <= second)))
    assert (gain == 0) == is_covered


def test_the_improvement_is_the_distance_to_the_nearest_member() -> None:
    gains = improvements(np.array([[0.4, 0.4], [0.5, 0.3], [0.2, 0.6]]), FRONT)
    assert gains == pytest.approx([0.1, 0.2, 0.3])


def test_one_objective_improves_by_its_gain() -> None:
    gains = improvements(np.array([[-0.9], [-0.7]]), np.array([[-0.8]]))
    assert gains == pytest.approx([0.125, 0.0])


def test_extremes_on_the_bad_side_are_cut_off() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0, 1e6])
    assert cut_off(values).tolist() == [1.0, 2.0, 3.0, 4.0, 7.0]
