"""What a budget on latency means when a trial is handed over."""

from types import SimpleNamespace

import pytest

from nas.evaluation import LatencyResult
from nas.objectives import parse_constraints
from nas.study.exporting import REPEATABILITY, _broken_latency

STUDY = SimpleNamespace(baseline={"latency_ms": 20.0, "latency_ratio": 1.0})


def _measured(low: float) -> LatencyResult:
    figures = {"ratio": low + 0.01, "ratio_low": low, "ratio_high": low + 0.02}
    return LatencyResult(statistics=figures, samples=b"", flag="ok", device={})


@pytest.mark.parametrize(
    "budget", ["latency_ms <= 12", "latency_ms <= 0.6 * baseline", "latency_ratio <= 0.6"]
)
def test_a_new_measurement_beyond_its_uncertainty_breaks_the_budget(budget: str) -> None:
    constraints = parse_constraints([budget])
    edge = 0.6 / (1 - REPEATABILITY)
    assert _broken_latency(constraints, STUDY, _measured(edge - 1e-6)) == []
    (message,) = _broken_latency(constraints, STUDY, _measured(edge + 1e-3))
    assert budget in message
    assert "measured anew: 0.613 to 0.633 of the full model" in message


def test_other_budgets_and_lower_bounds_are_not_measured_anew() -> None:
    constraints = parse_constraints(["num_parameters <= 1", "latency_ms >= 1", "accuracy >= 0.9"])
    assert _broken_latency(constraints, STUDY, _measured(5.0)) == []
    assert _broken_latency(parse_constraints(["latency_ms <= 1"]), STUDY, None) == []
