from __future__ import annotations

import pytest

from nas.cli.figures import figure, latency, percent

MEASURED = {
    "latency_ms": 6.312,
    "latency_ratio": 0.5,
    "latency_ratio_low": 0.495,
    "latency_ratio_high": 0.505,
}


@pytest.mark.parametrize(
    ("metric", "value", "shown"),
    [
        ("num_parameters", 22_713_216, "22.7M"),
        ("num_parameters", 999, "999"),
        ("macs", 2.5e9, "2.50G"),
        ("weight_bytes", 45.25 * 2**20, "45.2 MiB"),
        ("latency_ms", 6.312, "6.31"),
        ("latency_ms", 123.4, "123"),
        ("latency_ms", 0.0123, "0.0123"),
        ("accuracy", 0.91234, "0.9123"),
        ("loss", 0.0, "0"),
        ("loss", -2.5, "-2.50"),
    ],
)
def test_numbers_are_shown_by_what_the_metric_counts(metric, value, shown):
    assert figure(metric, value) == shown


def test_a_latency_comes_with_half_its_interval():
    assert latency(MEASURED) == "6.31 ±1%"


def test_a_latency_measured_under_contention_is_marked():
    assert latency({**MEASURED, "latency_is_quiet": 0.0}) == "6.31 ±1%*"
    assert latency({**MEASURED, "latency_is_quiet": 1.0}) == "6.31 ±1%"


def test_the_full_models_latency_has_no_interval_to_itself():
    assert latency({"latency_ms": 6.312, "latency_ratio": 1.0}) == "6.31"


def test_a_share_of_nothing_is_a_dash():
    assert (percent(1, 3), percent(0, 0)) == ("33%", "–")
