"""Directions of the residual stream: exact where channels are cut."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import layer_norm

from nas.supernet.moments import centred_directions, helmert_vectors, principal_directions

SIZE = 9


def make_rows(seed: int) -> torch.Tensor:
    """Tokens of a stream, `(40, SIZE)`, of which some directions hold more than others."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(SIZE, SIZE, dtype=torch.float64, generator=generator)
    return torch.randn(40, SIZE, dtype=torch.float64, generator=generator) @ mix + mix[0]


def on_first_directions(rows: torch.Tensor, number: int) -> torch.Tensor:
    """Rows less their mean over channels, projected on as many principal directions."""
    centred = rows - rows.mean(1, keepdim=True)
    directions: torch.Tensor = torch.linalg.svd(centred, full_matrices=False).Vh[:number]
    return centred @ directions.T @ directions


def test_principal_directions_are_orthonormal_and_repeatable() -> None:
    factor = torch.randn(9, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    moment = factor @ factor.T + torch.eye(9, dtype=torch.float64)
    directions = principal_directions(moment)
    torch.testing.assert_close(directions.T @ directions, torch.eye(9, dtype=torch.float64))
    assert torch.equal(principal_directions(moment), directions)
    turned = directions.T @ moment @ directions
    torch.testing.assert_close(turned, turned.diagonal().diag(), atol=1e-12, rtol=0)


@pytest.mark.parametrize("size", [2, 3, 24])
def test_helmert_vectors_are_orthonormal_and_sum_to_zero(size: int) -> None:
    vectors = helmert_vectors(size)
    torch.testing.assert_close(vectors @ vectors.T, torch.eye(size - 1, dtype=torch.float64))
    torch.testing.assert_close(vectors.sum(1), torch.zeros(size - 1, dtype=torch.float64))


@pytest.mark.parametrize("size", [2, 3, 24])
def test_a_helmert_vector_lies_in_the_kept_channels_or_is_constant_on_them(size: int) -> None:
    for number, vector in enumerate(helmert_vectors(size), start=1):
        assert not vector[number + 1 :].any()
        assert (vector[:number] == vector[0]).all()


@given(kept=st.integers(2, SIZE), seed=st.integers(0, 99))
def test_a_layer_norm_of_the_first_channels_is_that_of_the_first_directions(kept: int, seed: int) -> None:
    rows = make_rows(seed)
    centred = rows - rows.mean(1, keepdim=True)
    turned = rows @ centred_directions(centred.T @ centred)
    cut = turned[:, :kept]
    projected = on_first_directions(rows, kept - 1) @ centred_directions(centred.T @ centred)
    torch.testing.assert_close(cut - cut.mean(1, keepdim=True), projected[:, :kept])
    torch.testing.assert_close(
        layer_norm(cut, (kept,), eps=0.0) * (SIZE / kept) ** 0.5,
        layer_norm(projected, (SIZE,), eps=0.0)[:, :kept],
    )
    torch.testing.assert_close(projected[:, kept:], torch.zeros(40, SIZE - kept, dtype=torch.float64))


@given(seed=st.integers(0, 99))
def test_all_channels_hold_what_was_there_but_the_mean(seed: int) -> None:
    rows = make_rows(seed)
    centred = rows - rows.mean(1, keepdim=True)
    turn = centred_directions(centred.T @ centred)
    torch.testing.assert_close(rows @ turn @ turn.T, centred)
    torch.testing.assert_close((rows @ turn).mean(1), torch.zeros(40, dtype=torch.float64))
