"""What the package takes: numbers as arrays, checked once at its border."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from nas.errors import ConfigError

Points: TypeAlias = "npt.ArrayLike"
Array: TypeAlias = "npt.NDArray[np.float64]"
Mask: TypeAlias = "npt.NDArray[np.bool_]"


def as_matrix(values: Points) -> Array:
    """Points as `(points, objectives)`.

    Raises:
        ConfigError: not a matrix of finite numbers.
    """
    matrix = as_floats(values)
    if matrix.ndim != 2 or matrix.shape[1] < 1:
        raise ConfigError(f"got an array of shape {matrix.shape}; give (points, objectives)")
    return matrix


def as_point(values: Points) -> Array:
    """One point as `(objectives,)`.

    Raises:
        ConfigError: not a row of finite numbers.
    """
    point = as_floats(values)
    if point.ndim != 1 or not point.size:
        raise ConfigError(f"got an array of shape {point.shape}; give one number an objective")
    return point


def as_floats(values: Points) -> Array:
    """Finite numbers of any shape.

    Raises:
        ConfigError: something that is no number, or not finite.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ConfigError(f"objective values must be numbers: {error}") from None
    if not np.isfinite(array).all():
        raise ConfigError("objective values must be finite; drop failed trials before the front")
    return array
