"""Reading images from `.npz`, IDX files (as MNIST comes) and folders with a folder a class."""

from __future__ import annotations

import gzip
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from nas.data.images import Images
from nas.errors import ConfigError

_SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
_IDX_UINT8: Final = 0x08
_MAX_BYTES: Final = 16 * 2**30  # of one file once it is unpacked


def load_images(
    source: str | Path, *, label_names: Sequence[str] | None = None, limit: int | None = None
) -> Images:
    """Read images with a class each.

    Args:
        source: a `.npz` file with `images` and `labels`; an IDX file of images (`…images-idx3-ubyte`, also
            `.gz`) whose labels lie beside it (`…labels-idx1-ubyte`); or a folder with one folder a class.
        label_names: every class in order; otherwise the folders' names, or the numbers from 0.
        limit: keep a random subset of this size, the same at every call.

    Raises:
        ConfigError: the source cannot be read, or images and labels do not fit.
    """
    path = Path(source)
    if path.is_dir():
        images = _from_folder(path, label_names)
    elif not path.is_file():
        raise ConfigError(f"there is no file or folder {str(path)!r}. Correct the path.")
    elif path.suffix.lower() == ".npz":
        images = _from_npz(path, label_names)
    elif "idx" in path.name and "images" in path.name:
        images = _from_idx(path, label_names)
    else:
        raise ConfigError(
            f"{path.name} is of an unknown format; allowed are .npz with images and labels, IDX files named "
            "…images-idx3-ubyte[.gz], and a folder with one folder a class."
        )
    return images if limit is None else images.limit(limit)


def read_idx(path: Path) -> np.ndarray:
    """An IDX array of bytes: a magic number with the number of axes, their sizes, then the values.

    Raises:
        ConfigError: the file is none, is cut short, or holds other numbers than bytes.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            data = stream.read(_MAX_BYTES)
        zero, kind, axes = struct.unpack_from(">HBB", data)
        sizes = struct.unpack_from(f">{axes}I", data, 4)
    except (OSError, EOFError, struct.error) as error:
        raise ConfigError(f"{path.name} is not a readable IDX file ({error}). Fetch it again.") from error
    if zero or kind != _IDX_UINT8:
        raise ConfigError(f"{path.name} is not an IDX file of unsigned bytes (its type is {kind:#04x}).")
    body = np.frombuffer(data, np.uint8, offset=4 + 4 * axes)
    if body.size != int(np.prod(sizes, dtype=np.int64)):
        raise ConfigError(f"{path.name} has {body.size} values, its header says {sizes}. Fetch it again.")
    return body.reshape(sizes)


def _from_idx(path: Path, label_names: Sequence[str] | None) -> Images:
    labels = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1"))
    if not labels.is_file():
        raise ConfigError(f"the labels of {path.name} are missing: there is no file {str(labels)!r}.")
    numbers = read_idx(labels)
    return _images(read_idx(path), numbers, label_names)


def _from_npz(path: Path, label_names: Sequence[str] | None) -> Images:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            missing = [name for name in ("images", "labels") if name not in arrays]
            if missing:
                raise ConfigError(
                    f"{path.name} has no array {missing[0]!r}; it has {', '.join(arrays)}. Save it by "
                    "numpy.savez(path, images=..., labels=...)."
                )
            images, labels = arrays["images"], arrays["labels"]
    except ConfigError:
        raise
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ConfigError(f"{path.name} is not a readable .npz file ({error}). Write it again.") from error
    if not np.issubdtype(labels.dtype, np.integer):
        raise ConfigError(f"labels in {path.name} are of type {labels.dtype}; classes are integers from 0.")
    return _images(images, labels, label_names)


def _images(pixels: np.ndarray, labels: np.ndarray, label_names: Sequence[str] | None) -> Images:
    names = label_names
    if names is None:
        names = [str(number) for number in range(int(labels.max(initial=-1)) + 1)]
    return Images(pixels=pixels, labels=labels, label_names=tuple(names))


def _from_folder(folder: Path, label_names: Sequence[str] | None) -> Images:
    found = sorted(path.name for path in folder.iterdir() if path.is_dir())
    names = tuple(label_names) if label_names is not None else tuple(found)
    unknown = sorted(set(found) - set(names))
    if unknown:
        raise ConfigError(
            f"{folder} has a folder {unknown[0]!r} that is no class; allowed: {', '.join(names)}. Remove it, "
            "or name it in label_names."
        )
    paths = [
        (path, names.index(name))
        for name in found
        for path in sorted((folder / name).iterdir())
        if path.suffix.lower() in _SUFFIXES
    ]
    if not paths:
        raise ConfigError(
            f"{folder} holds no images; give it one folder a class with {', '.join(_SUFFIXES)} files."
        )
    pixels = [_pixels(path) for path, _ in paths]
    for (path, _), one in zip(paths, pixels, strict=True):
        if one.shape != pixels[0].shape:
            raise ConfigError(
                f"{path} has shape {one.shape}, the first image {pixels[0].shape}; bring all images to one "
                "size."
            )
    labels = np.array([label for _, label in paths], dtype=np.int64)
    return Images(pixels=np.stack(pixels), labels=labels, label_names=names)


def _pixels(path: Path) -> np.ndarray:
    """`(height, width)` of a grey image, else `(height, width, 3)`."""
    try:
        import PIL.Image
    except ModuleNotFoundError as error:
        raise ConfigError(
            f'{path.suffix} images are read by Pillow, which is not installed: pip install "subnas[images]". '
            "Or give a .npz file."
        ) from error
    try:
        with PIL.Image.open(path) as image:
            converted: Any = image if image.mode == "L" else image.convert("RGB")
            return np.asarray(converted)
    except (OSError, ValueError, PIL.Image.DecompressionBombError) as error:
        raise ConfigError(f"{path} is not a readable image ({error}). Remove or repair it.") from error
