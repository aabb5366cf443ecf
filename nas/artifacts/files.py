"""Where objects lie: a local folder, written so that a file is there whole or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from nas.errors import StorageError

CHUNK_BYTES: Final = 1 << 20
TEMPORARY: Final = ".tmp-"


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredFile:
    """A file of a store.

    Attributes:
        path: relative to the store, with slashes.
        age_s: seconds since it was written; 0 where the place does not tell, so that it is never swept.
    """

    path: str
    num_bytes: int
    age_s: float


class Files(Protocol):
    """A place for files under relative paths with slashes; errors of the place are StorageError."""

    @property
    def location(self) -> str:
        """Folder or URL, for people."""
        ...

    def write(self, path: str, chunks: Iterable[bytes]) -> None:
        """Put a file in the place of an older one when it is whole and durable."""
        ...

    def take(self, path: str, source: Path) -> None:
        """As `write` with a local file, which is gone afterwards."""
        ...

    def read(self, path: str) -> Iterator[bytes]:
        """The bytes of a file in pieces; FileNotFoundError where there is none."""
        ...

    def files(self, folder: str = "") -> list[StoredFile]:
        """All files below a folder, by path; none where it does not exist."""
        ...

    def move(self, path: str, new_path: str) -> None:
        """Rename a file."""
        ...

    def delete(self, path: str) -> None:
        """Remove a file; harmless where there is none."""
        ...

    def free_bytes(self) -> int | None:
        """Space left; None where the place does not tell."""
        ...


class LocalFiles:
    """A folder of this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    @property
    def location(self) -> str:
        """The folder."""
        return str(self._root)

    def write(self, path: str, chunks: Iterable[bytes]) -> None:
        """See `Files.write`."""
        with self._translated("write", path):
            self._root.mkdir(parents=True, exist_ok=True)
            temporary = self._root / f"{TEMPORARY}{uuid.uuid4().hex}"
            try:
                with temporary.open("xb") as stream:
                    stream.writelines(chunks)
                self._settle(temporary, self._root / path)
            finally:
                with suppress(OSError):
                    temporary.unlink(missing_ok=True)

    def take(self, path: str, source: Path) -> None:
        """See `Files.take`; within one file system nothing is copied."""
        if source.stat().st_dev != self._existing().stat().st_dev:
            self.write(path, chunks_of(source))
            source.unlink()
            return
        with self._translated("write", path):
            self._settle(source, self._root / path)

    def read(self, path: str) -> Iterator[bytes]:
        """See `Files.read`."""
        with self._translated("read", path):
            yield from chunks_of(self._root / path)

    def files(self, folder: str = "") -> list[StoredFile]:
        """See `Files.files`."""
        found, now = [], time.time()
        for file in sorted((self._root / folder).rglob("*")):
            with suppress(FileNotFoundError):  # another process sweeps too
                if file.is_file():
                    facts, path = file.stat(), file.relative_to(self._root).as_posix()
                    age_s = now - facts.st_mtime
                    found.append(StoredFile(path=path, num_bytes=facts.st_size, age_s=age_s))
        return found

    def move(self, path: str, new_path: str) -> None:
        """See `Files.move`."""
        with self._translated("move", path):
            target = self._root / new_path
            target.parent.mkdir(parents=True, exist_ok=True)
            (self._root / path).replace(target)

    def delete(self, path: str) -> None:
        """See `Files.delete`."""
        with self._translated("delete", path):
            (self._root / path).unlink(missing_ok=True)

    def free_bytes(self) -> int | None:
        """See `Files.free_bytes`."""
        return shutil.disk_usage(self._existing()).free

    def _settle(self, source: Path, target: Path) -> None:
        """Make a finished file durable under its name."""
        sync(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
        for folder in (target.parent, *target.parent.parents):
            sync(folder)
            if folder == self._root:
                break

    def _existing(self) -> Path:
        """The folder, or the nearest one above it that exists."""
        return next(folder for folder in (self._root, *self._root.parents) if folder.exists())

    @contextmanager
    def _translated(self, verb: str, path: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StorageError(f"cannot {verb} {self._root / path}: {error.strerror or error}") from error


def chunks_of(path: Path) -> Iterator[bytes]:
    """A local file in pieces."""
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            yield chunk


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
