from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.config import parse_duration
from nas.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("4h", 14_400), ("30m", 1800), ("90s", 90), ("1h30m", 5400), ("2d", 172_800), (60, 60), (0.5, 0.5)],
)
def test_durations_are_read_as_seconds(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "value", ["", "4", "4x", "-4h", "0s", "30m1h", "4 h", " 4h", 0, -1, math.inf, math.nan, True, None, [1]]
)
def test_another_form_is_refused_with_examples(value):
    with pytest.raises(ConfigError, match="4h, 30m, 90s"):
        parse_duration(value)


@given(st.integers(0, 99), st.integers(0, 99), st.integers(1, 99))
def test_parts_add_up(hours, minutes, seconds):
    assert parse_duration(f"{hours}h{minutes}m{seconds}s") == 3600 * hours + 60 * minutes + seconds
