"""Which examples make up which batch.

Padding is computed as well as text, so examples of similar length share a batch. For training the
data are shuffled, cut into chunks of 50 batches and sorted within each chunk; then the batches are shuffled.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from nas.errors import ConfigError

Order: TypeAlias = Literal["length", "shuffled"]

BATCHES_A_CHUNK = 50


def num_batches(num_examples: int, batch_size: int) -> int:
    """Batches of one epoch; the last may be smaller."""
    if batch_size < 1:
        raise ConfigError(f"batch_size is {batch_size}; it must be at least 1.")
    return -(-num_examples // batch_size)


def batch_plan(
    lengths: npt.NDArray[np.int64], batch_size: int, *, order: Order, seed: int = 0, epoch: int = 0
) -> list[npt.NDArray[np.int64]]:
    """Positions of each batch; every example is in exactly one. A function of its arguments alone."""
    count = num_batches(len(lengths), batch_size)
    if order == "length":
        return _cut(np.argsort(-lengths, kind="stable"), batch_size)
    if order != "shuffled":
        raise ConfigError(f"order is {order!r}; allowed: {', '.join(get_args(Order))}.")
    if seed < 0 or epoch < 0:
        raise ConfigError(f"seed is {seed} and epoch is {epoch}; both must be at least 0.")
    generator = np.random.default_rng([seed, epoch])
    shuffled = generator.permutation(len(lengths))
    chunks = _cut(shuffled, batch_size * BATCHES_A_CHUNK)
    bucketed = [chunk[np.argsort(lengths[chunk], kind="stable")] for chunk in chunks]
    batches = [batch for chunk in bucketed for batch in _cut(chunk, batch_size)]
    return [batches[position] for position in generator.permutation(count)]


def _cut(positions: npt.NDArray[np.int64], size: int) -> list[npt.NDArray[np.int64]]:
    return [positions[start : start + size] for start in range(0, len(positions), size)]
