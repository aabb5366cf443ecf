"""Rules as text: what they mean, and how wrong ones are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces import SpaceError
from search_spaces.grammar import parse_rule

VALUES = st.fixed_dictionaries({name: st.integers(0, 50) for name in ("a", "b", "layers.0.c")})


@given(values=VALUES)
def test_sums_and_products_bind_as_in_arithmetic(values: dict[str, int]) -> None:
    a, b, c = values["a"], values["b"], values["layers.0.c"]
    rule = parse_rule("2 * a * b + layers.0.c + 1.5 <= 3*a + 40")
    assert (rule.violation(values) == 0) == (2 * a * b + c + 1.5 <= 3 * a + 40)


@given(values=VALUES)
def test_the_comparisons_are_those_of_numbers(values: dict[str, int]) -> None:
    a, b = values["a"], values["b"]
    holds = [parse_rule(f"a {sign} b").violation(values) == 0 for sign in ("<=", ">=", "==")]
    assert holds == [a <= b, a >= b, a == b]


def test_a_rule_broken_by_more_has_the_larger_violation() -> None:
    rule = parse_rule("a <= 10")
    assert 0 < rule.violation({"a": 11}) < rule.violation({"a": 20}) <= 1


def test_blanks_do_not_matter() -> None:
    assert parse_rule(" a<=2*b ").left == parse_rule("a <= 2 * b").left
    assert parse_rule(" a<=2*b ").right == parse_rule("a <= 2 * b").right


def test_a_rule_knows_its_names_each_once() -> None:
    assert parse_rule("a * layers.0.c + a <= 2 * b").names == ("a", "layers.0.c", "b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a + b", "got 0 comparisons"),
        ("1 <= a <= 2", "got 2 comparisons"),
        ("a < 2", r"cannot read '< 2'; allowed are numbers, names, \+ and \*"),
        ("a - 1 <= 2", "cannot read '- 1 <= 2'"),
        ("(a) <= 2", "cannot read"),
        ("__import__('os') <= 2", "cannot read"),
        ("a b <= 2", r"got 'b' where \+ or \* must stand"),
        ("* a <= 2", r"got '\*' where a number or a name must stand"),
        ("a + <= 2", r"nothing stands after '\+'"),
        ("<= 2", "nothing stands on one side"),
        ("2x <= 2", "cannot read '2x <= 2'"),
        (3, "got 3; write text"),
    ],
)
def test_a_text_of_another_form_is_refused_with_the_place(text: str, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        parse_rule(text)
