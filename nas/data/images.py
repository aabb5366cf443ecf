"""Images with a class each, as they are read, before any normalisation."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from nas.data.batches import update_arrays
from nas.data.examples import positions_of, read_only
from nas.data.limits import limited
from nas.errors import ConfigError

Pixels: TypeAlias = npt.NDArray[np.uint8] | npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Images:
    """Images of one size.

    Attributes:
        pixels: `(images, height, width, channels)`, or without channels for grey ones; uint8 0–255, or
            float32 as the model takes them.
        labels: int64 positions in `label_names`.
    """

    pixels: Pixels
    labels: npt.NDArray[np.int64]
    label_names: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "pixels", read_only(_canonical(np.asarray(self.pixels))))
        object.__setattr__(self, "labels", read_only(np.asarray(self.labels).astype(np.int64)))
        if len(self.pixels) != len(self.labels) or not len(self.labels) or self.labels.ndim != 1:
            raise ConfigError(
                f"there are {len(self.pixels)} images and labels of shape {self.labels.shape}; give one "
                "class for each image, at least one."
            )
        wrong = np.flatnonzero((self.labels < 0) | (self.labels >= len(self.label_names)))
        if wrong.size:
            raise ConfigError(
                f"image {wrong[0] + 1} has the class {self.labels[wrong[0]]}; allowed: 0 to "
                f"{len(self.label_names) - 1} ({', '.join(self.label_names[:20])})."
            )

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def sha256(self) -> str:
        """Hash of pixels, labels and their names."""
        digest = hashlib.sha256(repr((self.pixels.shape, self.label_names)).encode())
        update_arrays(digest, (self.pixels, self.labels))
        return digest.hexdigest()

    def take(self, indices: Sequence[int] | npt.NDArray[np.integer]) -> Images:
        """The images at these positions, in this order."""
        positions = positions_of(indices)
        return Images(
            pixels=self.pixels[positions], labels=self.labels[positions], label_names=self.label_names
        )

    def limit(self, n: int, seed: int = 0) -> Images:
        """A random subset of at most `n` images in their order."""
        return limited(self, n, seed)


def _canonical(pixels: np.ndarray) -> Pixels:
    if pixels.ndim not in (3, 4) or (pixels.ndim == 4 and pixels.shape[-1] not in (1, 3)):
        raise ConfigError(
            f"images have shape {pixels.shape}; allowed are (images, height, width) and (images, height, "
            "width, channels) with 1 or 3 channels."
        )
    if pixels.dtype == np.uint8:
        return pixels
    if np.issubdtype(pixels.dtype, np.floating):
        if not np.isfinite(pixels).all():
            raise ConfigError("images hold values that are not finite; repair them.")
        return pixels.astype(np.float32, copy=False)
    raise ConfigError(f"images are of type {pixels.dtype}; allowed are uint8 (0 to 255) and float.")
