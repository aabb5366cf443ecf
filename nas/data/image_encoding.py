"""From images and features to what a model's forward takes."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nas.data.arrays import ArrayDataset
from nas.data.encoding import pad_token_id
from nas.data.examples import check_texts, read_only
from nas.data.images import Images, Pixels
from nas.data.token_labels import target_rows
from nas.errors import ConfigError

_IMAGES_AT_ONCE = 256


@dataclass(frozen=True, kw_only=True)
class ImageSettings:
    """How a model takes images, as its image processor says.

    Attributes:
        image_size: height and width.
        mean, std: of each channel, after bytes were multiplied by `rescale_factor`.
    """

    image_size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    rescale_factor: float = 1 / 255

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std) or not self.mean or not all(value > 0 for value in self.std):
            raise ConfigError(
                f"mean is {self.mean}, std {self.std}; give one of each for every channel, std above 0."
            )

    @property
    def num_channels(self) -> int:
        """Channels of the model's input."""
        return len(self.mean)


def encode_images(images: Images, settings: ImageSettings) -> ArrayDataset:
    """Bring images to the model's size and channels, and note how they are normalised.

    Grey images are repeated for each channel. Another size is interpolated bilinearly with antialiasing.
    Bytes are rescaled and normalised; float images are taken as rescaled already, and normalised.

    Raises:
        ConfigError: the images have channels that the model does not have.
    """
    pixels: Any = images.pixels[..., None] if images.pixels.ndim == 3 else images.pixels
    channels = pixels.shape[-1]
    if channels not in (1, settings.num_channels):
        raise ConfigError(
            f"images have {channels} channels, the model {settings.num_channels}; convert the images."
        )
    arrays: Any = np.moveaxis(pixels, -1, 1)
    if arrays.shape[-2:] != settings.image_size:
        arrays = _resized(arrays, settings.image_size)
    if channels != settings.num_channels:
        arrays = np.repeat(arrays, settings.num_channels, axis=1)
    factor = settings.rescale_factor if arrays.dtype == np.uint8 else 1.0
    return ArrayDataset(
        arrays=read_only(np.ascontiguousarray(arrays)),
        input_name="pixel_values",
        scale=tuple(factor / std for std in settings.std),
        offset=tuple(-mean / std for mean, std in zip(settings.mean, settings.std, strict=True)),
        labels=images.labels,
        label_names=images.label_names,
    )


def encode_features(
    features: np.ndarray,
    targets: Sequence[str],
    tokenizer: Any,
    *,
    decoder_start_token_id: int | None,
    max_target_length: int = 128,
) -> ArrayDataset:
    """Features of sound, `(examples, mel bins, frames)` as the feature extractor made them, with a text each.

    Raises:
        ConfigError: features and texts differ in number, or no start token.
    """
    if features.ndim != 3 or len(features) != len(targets):
        raise ConfigError(
            f"features have shape {features.shape} and there are {len(targets)} texts; give (examples, mel "
            "bins, frames) with one text for each example."
        )
    check_texts(targets)
    own = copy.deepcopy(tokenizer)
    rows = target_rows(
        targets, own, max_length=max_target_length, decoder_start_token_id=decoder_start_token_id
    )
    return ArrayDataset(
        arrays=read_only(features.astype(np.float32, copy=False)),
        input_name="input_features",
        labels=rows.tokens,
        label_offsets=rows.offsets,
        decoder_start_token_id=rows.start_token_id,
        pad_token_id=pad_token_id(own),
        label_names=(),
    )


def _resized(arrays: Pixels, size: tuple[int, int]) -> Pixels:
    """Images `(images, channels, height, width)` in another size and the same type."""
    import torch
    from torch.nn import functional

    parts = []
    for start in range(0, len(arrays), _IMAGES_AT_ONCE):
        part = torch.from_numpy(arrays[start : start + _IMAGES_AT_ONCE].astype(np.float32))
        resized = functional.interpolate(part, size=size, mode="bilinear", antialias=True)
        if arrays.dtype == np.uint8:
            resized = resized.round().clamp(0, 255).to(torch.uint8)
        parts.append(resized.numpy())
    return np.concatenate(parts)
