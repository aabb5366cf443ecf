"""What many points at once would do to a front or a volume is what each of them does."""

from __future__ import annotations

import numpy as np
import pytest

from nas.pareto import GrowingHypervolume, TieFront


@pytest.mark.parametrize("seed", range(5))
def test_shadowed_points_are_those_that_a_front_would_drop(seed: int) -> None:
    generator = np.random.default_rng(seed)
    lows = generator.integers(0, 6, size=(60, 2)).astype(float)
    bounds = np.stack([lows, lows + np.array([0.0, 1.0])], axis=2)
    front: TieFront[int] = TieFront(2, uncertain=1)
    for number, one in enumerate(bounds[:30]):
        front.add(one, number)
    for number, (one, is_shadowed) in enumerate(zip(bounds[30:], front.shadows(bounds[30:]), strict=True)):
        other: TieFront[int] = TieFront(2, uncertain=1)
        for kept, own in enumerate(bounds[:30]):
            other.add(own, kept)
        other.add(one, 100 + number)
        assert other.keeps(100 + number) is not bool(is_shadowed)


@pytest.mark.parametrize("seed", range(5))
def test_covered_points_add_no_volume_and_the_others_do(seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, 8, size=(60, 2)).astype(float)
    seen = GrowingHypervolume([8.0, 8.0])
    for one in values[:20]:
        seen.add(one)
    for one, is_covered in zip(values[20:], seen.covers(values[20:]), strict=True):
        other = GrowingHypervolume([8.0, 8.0])
        for own in values[:20]:
            other.add(own)
        assert (other.add(one) == 0) is bool(is_covered)


def test_nothing_is_covered_before_the_first_point() -> None:
    assert not GrowingHypervolume([1.0, 1.0]).covers([[0.5, 0.5]]).any()
    assert not TieFront(1).shadows([[[0.5, 0.5]]]).any()
