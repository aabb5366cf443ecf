"""Which precision `auto` takes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

import nas.training.precision
from nas.training.precision import prefers_bfloat16


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Measurements are made anew in each test."""
    prefers_bfloat16.cache_clear()
    yield
    prefers_bfloat16.cache_clear()


@pytest.mark.parametrize(
    ("bfloat16_seconds", "is_preferred"), [(0.5, True), (0.69, True), (0.71, False), (3.0, False)]
)
def test_bfloat16_must_save_three_tenths_of_the_time(
    bfloat16_seconds: float, is_preferred: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = {torch.bfloat16: bfloat16_seconds, torch.float32: 1.0}
    monkeypatch.setattr(nas.training.precision, "_matmul_seconds", seconds.__getitem__)
    assert prefers_bfloat16("cpu") == is_preferred


def test_a_device_is_measured_once_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    first = prefers_bfloat16("cpu")
    monkeypatch.setattr(nas.training.precision, "_matmul_seconds", None)
    assert prefers_bfloat16("cpu") is first
