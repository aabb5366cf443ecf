"""What is stored of each example."""

from __future__ import annotations

import numpy as np
import pytest

from nas.evaluation import Quality
from nas.study.per_example import per_example_bytes, read_per_example


def _quality(**outputs: np.ndarray) -> Quality:
    return Quality(metrics={"loss": 1.0}, examples=3, seconds=0.1, **outputs)


@pytest.mark.parametrize("shape", [(3, 2), (3, 1)])
def test_logits_come_back_as_they_were(shape: tuple[int, int]) -> None:
    logits = np.arange(np.prod(shape), dtype=np.float16).reshape(shape)
    stored = per_example_bytes(_quality(logits=logits, losses=np.ones(3, np.float32)))
    assert stored is not None
    found = read_per_example(stored)
    assert (found.kind, found.values.dtype) == ("logits", np.float16)
    np.testing.assert_array_equal(found.values, logits)


def test_losses_are_kept_where_there_are_no_logits() -> None:
    losses = np.array([0.25, 3.0, 0.1], np.float32)
    stored = per_example_bytes(_quality(losses=losses))
    assert stored is not None
    found = read_per_example(stored)
    assert (found.kind, found.values.dtype) == ("loss", np.float32)
    np.testing.assert_array_equal(found.values, losses)


def test_nothing_is_stored_of_an_evaluation_without_outputs() -> None:
    assert per_example_bytes(_quality()) is None
