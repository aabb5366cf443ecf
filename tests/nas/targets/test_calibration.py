"""Shapes to measure first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nas.supernet import Supernet
from nas.targets.block_features import BlockFeatures
from nas.targets.calibration import calibration_shapes
from search_spaces import KINDS, ModelShape, build_space
from search_spaces.units import count


@pytest.fixture(scope="module")
def shape(tiny_model: Callable[..., Any]) -> ModelShape:
    sizes = {
        "hidden_size": 32,
        "num_attention_heads": 8,
        "intermediate_size": 64,
        "num_hidden_layers": 6,
    }
    return Supernet(tiny_model("bert", **sizes), task="sequence-classification").shape


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_space_gives_different_shapes_of_its_own(kind: str, shape: ModelShape) -> None:
    space, features = build_space(kind, shape), BlockFeatures(shape)
    shapes = calibration_shapes(space, 12)
    assert all(config in space for config in shapes)
    assert len({features.row(config).tobytes() for config in shapes}) == len(shapes)
    assert 6 < len(shapes) <= 12


def test_the_largest_and_the_smallest_come_first(shape: ModelShape) -> None:
    space = build_space("uniform", shape)
    assert calibration_shapes(space, 5)[:2] == [space.largest(), space.smallest()]


def test_the_first_of_many_are_those_of_few(shape: ModelShape) -> None:
    space = build_space("medium", shape)
    assert calibration_shapes(space, 20)[:8] == calibration_shapes(space, 8)


def test_the_seed_decides(shape: ModelShape) -> None:
    space = build_space("medium", shape)
    assert calibration_shapes(space, 10, seed=1) == calibration_shapes(space, 10, seed=1)
    assert calibration_shapes(space, 10, seed=1) != calibration_shapes(space, 10, seed=2)


def test_sizes_of_every_dimension_are_covered(shape: ModelShape) -> None:
    shapes = calibration_shapes(build_space("uniform", shape), 40)
    kept = [units for config in shapes for units in config.layers if units is not None]
    assert len({count(config.hidden) for config in shapes}) >= 3
    assert len({count(units.heads) for units in kept}) >= 6
    assert len({count(units.ffn) for units in kept}) >= 6


def test_a_space_with_fewer_shapes_gives_all_of_them(shape: ModelShape) -> None:
    # Blocks are on or off, and which of them matters not: 0 to 6 blocks.
    assert len(calibration_shapes(build_space("layer", shape), 40)) == 7


def test_a_model_shape_stands_for_its_per_layer_space(shape: ModelShape) -> None:
    assert calibration_shapes(shape, 6) == calibration_shapes(build_space("medium", shape), 6)


def test_a_count_below_one_is_refused(shape: ModelShape) -> None:
    with pytest.raises(ValueError, match="at least 1 shape"):
        calibration_shapes(shape, 0)
