"""Invariants of the closed forms on the data that the moments were taken from."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nas.compensation.closed_form import DAMPING, Fitted, Moments, fit_target, fit_units

INPUTS, OUTPUTS, GROUP, TOKENS = 12, 7, 3, 60
#: So small that least squares are exact, yet far from rounding.
LEAST = 1e-9


def activations(seed: int) -> torch.Tensor:
    """Correlated inputs with means of their own, `(tokens, inputs)`."""
    generator = torch.Generator().manual_seed(seed)
    mixed = torch.randn(TOKENS, 5, generator=generator) @ torch.randn(5, INPUTS, generator=generator)
    own = torch.randn(TOKENS, INPUTS, generator=generator)
    return (mixed + 0.5 * own + torch.randn(INPUTS, generator=generator)).double()


def projection(seed: int) -> torch.Tensor:
    """A weight `(outputs, inputs)`."""
    return torch.randn(OUTPUTS, INPUTS, generator=torch.Generator().manual_seed(seed + 1000)).double()


def moments_of(x: torch.Tensor) -> Moments:
    """Moments in float64, so that inequalities are not blurred by rounding."""
    return Moments(second=x.T @ x / len(x), mean=x.mean(dim=0), tokens=len(x))


def error(x: torch.Tensor, weight: torch.Tensor, kept: torch.Tensor, fitted: Fitted) -> float:
    """Mean squared distance to the full output."""
    shift = 0.0 if fitted.shift is None else fitted.shift
    return float((x @ weight.T - x[:, kept] @ fitted.weight.T - shift).square().sum(dim=1).mean())


some_groups = st.sets(st.integers(0, INPUTS // GROUP - 1), min_size=1, max_size=INPUTS // GROUP - 1)


def errors(seed: int, groups: set[int], damping: float) -> dict[str, float]:
    """Error of every method where the same groups of inputs are kept."""
    x, weight = activations(seed), projection(seed)
    kept = torch.tensor([group * GROUP + i for group in sorted(groups) for i in range(GROUP)])
    found = {}
    for method in ("none", "bias", "mask_scale", "lstsq", "lstsq_bias"):
        fitted = fit_units(method, weight, moments_of(x), kept, group=GROUP, damping=damping)
        found[method] = error(x, weight, kept, fitted)
    return found


@given(seed=st.integers(0, 10_000), groups=some_groups)
def test_without_damping_more_freedom_never_has_a_larger_error(seed: int, groups: set[int]) -> None:
    found = errors(seed, groups, LEAST)
    slack = 1 + 1e-6
    assert found["lstsq_bias"] <= found["lstsq"] * slack
    assert found["lstsq_bias"] <= found["bias"] * slack
    assert found["lstsq"] <= found["mask_scale"] * slack
    assert found["mask_scale"] <= found["none"] * slack
    assert found["bias"] <= found["none"] * slack


@given(seed=st.integers(0, 10_000), groups=some_groups)
def test_the_usual_damping_never_makes_it_worse_than_the_slices(seed: int, groups: set[int]) -> None:
    found = errors(seed, groups, DAMPING)
    slack = 1 + 1e-9
    assert found["lstsq"] <= found["none"] * slack
    assert found["mask_scale"] <= found["none"] * slack
    assert found["bias"] <= found["none"] * slack
    assert found["lstsq_bias"] <= found["bias"] * slack


@pytest.mark.parametrize("method", ["bias", "lstsq", "lstsq_bias", "mask_scale"])
def test_keeping_everything_returns_the_weight(method: str) -> None:
    x, weight = activations(0), projection(0)
    fitted = fit_units(method, weight, moments_of(x), torch.arange(INPUTS), group=GROUP)
    assert torch.equal(fitted.weight, weight)
    assert fitted.shift is None


def test_a_bias_makes_up_for_constant_inputs_exactly() -> None:
    x, weight = activations(1), projection(1)
    x[:, 5:] = torch.arange(INPUTS - 5).double()
    kept = torch.arange(5)
    fitted = fit_units("bias", weight, moments_of(x), kept)
    assert error(x, weight, kept, fitted) <= 1e-24


def test_inputs_that_follow_from_the_kept_ones_are_taken_over() -> None:
    x, weight = activations(2), projection(2)
    x[:, 8:] = x[:, :8] @ torch.randn(8, 4, generator=torch.Generator().manual_seed(3)).double()
    kept = torch.arange(8)
    dropped = error(x, weight, kept, fit_units("none", weight, moments_of(x), kept))
    fitted = fit_units("lstsq", weight, moments_of(x), kept, damping=LEAST)
    assert error(x, weight, kept, fitted) <= 1e-9 * dropped


def test_least_squares_is_that_of_a_solver() -> None:
    x, weight = activations(4), projection(4)
    kept = torch.tensor([0, 2, 3, 7, 11])
    expected = torch.linalg.lstsq(x[:, kept], x @ weight.T).solution.T
    fitted = fit_units("lstsq", weight, moments_of(x), kept, damping=LEAST)
    torch.testing.assert_close(fitted.weight, expected, rtol=1e-5, atol=1e-6)


def test_one_factor_scales_all_inputs_of_a_unit() -> None:
    x, weight = activations(5), projection(5)
    kept = torch.arange(3, 9)
    fitted = fit_units("mask_scale", weight, moments_of(x), kept, group=GROUP)
    factors = fitted.weight / weight[:, kept]
    torch.testing.assert_close(factors, factors[:1, ::GROUP].repeat_interleave(GROUP, 1).expand_as(factors))
    assert not torch.allclose(factors, torch.ones_like(factors))


def test_dead_inputs_leave_the_weight_as_it_is() -> None:
    x, weight = torch.zeros(TOKENS, INPUTS).double(), projection(6)
    kept = torch.arange(6)
    for method in ("lstsq", "lstsq_bias", "mask_scale"):
        fitted = fit_units(method, weight, moments_of(x), kept, group=GROUP)
        torch.testing.assert_close(fitted.weight, weight[:, kept])


@pytest.mark.parametrize("has_bias", [True, False])
def test_another_target_is_fitted_as_by_a_solver(has_bias: bool) -> None:
    x = activations(7)
    target = torch.randn(TOKENS, OUTPUTS, generator=torch.Generator().manual_seed(8)).double() + 2.0
    kept = torch.arange(6)
    fitted = fit_target(
        target.T @ x / TOKENS, target.mean(dim=0), moments_of(x), kept, has_bias=has_bias, damping=LEAST
    )
    design = torch.cat([x[:, kept], torch.ones(TOKENS, 1)], dim=1) if has_bias else x[:, kept]
    expected = torch.linalg.lstsq(design, target).solution.T
    torch.testing.assert_close(fitted.weight, expected[:, :6], rtol=1e-5, atol=1e-6)
    if has_bias:
        assert fitted.shift is not None
        torch.testing.assert_close(fitted.shift, expected[:, 6], rtol=1e-5, atol=1e-6)
