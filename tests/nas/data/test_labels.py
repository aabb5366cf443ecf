from __future__ import annotations

import numpy as np
import pytest

from nas.data.labels import parse_labels
from nas.errors import ConfigError


def parse(values, names=None):
    parsed = parse_labels(values, names, where="a.csv")
    return parsed.labels.tolist(), parsed.names


@pytest.mark.parametrize("values", [[1, 0, 2], ["1", "0", "2"], list(np.array([1, 0, 2]))])
def test_integers_are_class_numbers(values):
    assert parse(values) == ([1, 0, 2], ("0", "1", "2"))


def test_texts_are_class_names_in_sorted_order():
    assert parse(["no", "yes", "maybe"]) == ([1, 2, 0], ("maybe", "no", "yes"))


def test_booleans_are_classes():
    assert parse([True, False]) == ([1, 0], ("false", "true"))


@pytest.mark.parametrize("values", [[0.5, 2.0], ["0.5", "2"], [1, 2.5]])
def test_numbers_with_a_decimal_point_are_regression_targets(values):
    labels, names = parse(values)
    assert names == ()
    assert labels == [float(value) for value in values]


def test_empty_names_ask_for_a_regression():
    assert parse([1, 5, 3], ()) == ([1.0, 5.0, 3.0], ())


def test_given_names_decide_the_order():
    assert parse(["no", "yes"], ["yes", "no"]) == ([1, 0], ("yes", "no"))


def test_class_numbers_are_allowed_beside_given_names():
    assert parse(["1", "0"], ["no", "yes"]) == ([1, 0], ("no", "yes"))


def test_names_that_are_numbers_are_never_taken_for_positions():
    assert parse([1, 2], ["1", "2"]) == ([0, 1], ("1", "2"))
    with pytest.raises(ConfigError, match="'0'; allowed: '1', '2'"):
        parse([1, 0], ["1", "2"])


def test_a_label_that_is_not_in_the_names_is_named_with_its_row_and_what_is_allowed():
    with pytest.raises(ConfigError, match=r"a\.csv, row 3 has the label 'maybe'; allowed: 'no', 'yes'"):
        parse(["no", "yes", "maybe"], ["no", "yes"])


def test_a_long_list_of_allowed_names_is_cut():
    with pytest.raises(ConfigError, match=r"'class 19', … \(77 in all\)"):
        parse(["other"], [f"class {i}" for i in range(77)])


def test_the_marker_of_a_missing_label_is_refused():
    with pytest.raises(ConfigError, match="-1 is negative"):
        parse([0, 1, -1])


@pytest.mark.parametrize("values", [[1, 2], [0, 2], [10**15]])
def test_class_numbers_with_a_gap_are_refused(values):
    with pytest.raises(ConfigError, match=r"does not occur.*label_names"):
        parse(values)


@pytest.mark.parametrize("value", [None, "", "  ", [1]])
def test_a_missing_label_is_named_with_its_row(value):
    with pytest.raises(ConfigError, match="row 2 has the label"):
        parse(["a", value])


@pytest.mark.parametrize("value", ["good", "nan", "inf"])
def test_a_regression_target_that_is_no_finite_number_is_named(value):
    with pytest.raises(ConfigError, match=rf"row 2 has the label '{value}'; a regression needs"):
        parse([0.5, value], ())
