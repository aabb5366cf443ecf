"""A dimension's legal values, and how a sampler sees them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces import Dimension, SpaceError
from search_spaces.dimensions import legal_values


def _legal(choices: Any) -> tuple[int, ...]:
    return legal_values("width", choices, default=[4, 8], full=12)


@given(values=st.sets(st.integers(0, 50), min_size=1))
def test_every_value_round_trips_through_a_parameter_within_the_bounds(values: set[int]) -> None:
    dimension = Dimension("width", tuple(sorted(values)))
    low, high, step = dimension.bounds
    for value in dimension.values:
        parameter = dimension.to_parameter(value)
        assert low <= parameter <= high
        assert (parameter - low) % step == 0
        assert dimension.to_value(parameter) == value


@given(values=st.sets(st.integers(0, 50), min_size=1))
def test_every_parameter_of_the_bounds_stands_for_a_value(values: set[int]) -> None:
    dimension = Dimension("width", tuple(sorted(values)))
    low, high, step = dimension.bounds
    found = [dimension.to_value(parameter) for parameter in range(low, high + 1, step)]
    assert found == list(dimension.values)


def test_evenly_spaced_values_stand_for_themselves() -> None:
    assert Dimension("width", (4, 8, 12)).bounds == (4, 12, 4)


def test_unevenly_spaced_values_are_encoded_by_index() -> None:
    dimension = Dimension("width", (1, 2, 8))
    assert dimension.bounds == (0, 2, 1)
    assert [dimension.to_parameter(value) for value in (1, 2, 8)] == [0, 1, 2]


@pytest.mark.parametrize("parameter", [-1, 3, 8, True, 1.0, "1"])
def test_a_parameter_outside_the_indices_is_refused_even_if_it_is_a_value(parameter: Any) -> None:
    with pytest.raises(SpaceError, match="allowed are 0 to 2, which stand for 1, 2, 8"):
        Dimension("width", (1, 2, 8)).to_value(parameter)


@pytest.mark.parametrize("parameter", [0, 5, 13, True, 4.0])
def test_a_parameter_between_or_beyond_even_values_is_refused(parameter: Any) -> None:
    with pytest.raises(SpaceError, match=r"width: got .*; allowed are 4, 8, 12"):
        Dimension("width", (4, 8, 12)).to_value(parameter)


@pytest.mark.parametrize("value", [5, True, 4.0])
def test_a_value_that_is_not_legal_has_no_parameter(value: Any) -> None:
    with pytest.raises(SpaceError, match="allowed are 1, 4"):
        Dimension("width", (1, 4)).to_parameter(value)


def test_no_choices_mean_the_default() -> None:
    assert _legal(None) == (4, 8)


def test_a_list_of_values_is_sorted_and_freed_of_repetitions() -> None:
    assert _legal([8, 2, 8]) == (2, 8)


def test_a_range_includes_both_ends() -> None:
    assert _legal({"min": 4, "max": 12, "step": 4}) == (4, 8, 12)


def test_a_range_may_leave_out_its_ends() -> None:
    assert _legal({"step": 11}) == (1, 12)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (
            {"min": 4, "max": 11, "step": 4},
            "step 4 does not divide the range 4 to 11; set max to 8, or min to 7",
        ),
        ({"min": 8, "max": 4}, "min 8, max 4, step 1 is empty"),
        ({"step": 0}, "need min <= max, step >= 1"),
        ({"low": 4}, "unknown key 'low'; a range has min, max and step"),
        ({"min": 1.5}, "got 1.5 in a range; give whole numbers"),
        ({"min": True}, "got True in a range"),
        ({"max": 13}, "got 13; the model allows whole numbers from 1 to 12"),
        ([4, 13], "got 13; the model allows whole numbers from 1 to 12"),
        ([0, 4], "got 0; the model allows"),
        ([4, True], "got True; the model allows"),
        ([4.0], "got 4.0; the model allows"),
        ("12", "got '1'; the model allows"),
        ([], "no value given; allowed are 1 to 12"),
        (4, "got 4; give a list of values, or min, max and step"),
    ],
)
def test_choices_that_are_not_legal_are_refused_with_what_is(choices: Any, message: str) -> None:
    with pytest.raises(SpaceError, match=f"^width: .*{message}"):
        _legal(choices)


def test_long_rows_of_values_are_shortened_in_messages() -> None:
    with pytest.raises(SpaceError, match=r"1, 2, 3, 4, \.\.\., 29, 30 \(30 values\)"):
        Dimension("width", tuple(range(1, 31))).to_parameter(31)
