"""Arrays that lie in files: workers of the same machine map them, so that one copy serves all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np


@dataclass(frozen=True, kw_only=True)
class FileStamp:
    """Which file a path led to: another file put in its place has another stamp."""

    device: int
    inode: int
    size: int
    modified_ns: int

    @classmethod
    def of(cls, path: str) -> Self:
        """The stamp of the file that is there now."""
        status = os.stat(path)
        return cls(
            device=status.st_dev,
            inode=status.st_ino,
            size=status.st_size,
            modified_ns=status.st_mtime_ns,
        )


@dataclass(frozen=True, kw_only=True)
class FileRegion:
    """A C-contiguous array inside a file.

    Attributes:
        path: absolute.
        stamp: of the file that is meant.
        offset: bytes before its first element.
        dtype: numpy's name of the element type.
    """

    path: str
    stamp: FileStamp
    offset: int
    shape: tuple[int, ...]
    dtype: str

    @property
    def nbytes(self) -> int:
        """Bytes of the array."""
        return self.count * np.dtype(self.dtype).itemsize

    @property
    def count(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def is_current(self) -> bool:
        """Whether its path still leads to the file that is meant."""
        try:
            return FileStamp.of(self.path) == self.stamp
        except OSError:
            return False

    def read(self) -> np.ndarray:
        """The array in memory of its own.

        Raises:
            OSError: the file is gone, or another one took its place.
        """
        _check(self)
        flat = np.fromfile(self.path, dtype=self.dtype, count=self.count, offset=self.offset)
        return flat.reshape(self.shape)


#: What a pool shares with its workers by name.
Shared = Mapping[str, np.ndarray | FileRegion]


def mapped(shared: Shared) -> dict[str, np.ndarray]:
    """Arrays as they are, regions as private copy-on-write mappings; each file is mapped once.

    Pages are read when they are first used, are shared with every other process that maps the file, and can
    be dropped by the system when memory is short.

    Raises:
        OSError: a file is gone, or another one took its place.
    """
    files: dict[str, np.ndarray] = {}
    arrays: dict[str, np.ndarray] = {}
    for name, source in shared.items():
        if isinstance(source, np.ndarray):
            arrays[name] = read_only(source)
            continue
        if source.path not in files:
            _check(source)
            files[source.path] = np.memmap(source.path, dtype=np.uint8, mode="c").view(np.ndarray)
        part = files[source.path][source.offset : source.offset + source.nbytes]
        arrays[name] = read_only(part.view(source.dtype).reshape(source.shape))
    return arrays


def read_only(array: np.ndarray) -> np.ndarray:
    """A view that numpy does not let anyone write to."""
    view = array.view()
    view.flags.writeable = False
    return view


def _check(region: FileRegion) -> None:
    if not region.is_current:
        raise OSError(f"{region.path} is gone or was replaced since the search began; start the search again")
