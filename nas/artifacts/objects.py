"""Objects by the SHA-256 of their bytes, which is checked at every reading."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from nas.artifacts.files import Files, StoredFile, chunks_of
from nas.artifacts.manifest import DamagedError
from nas.errors import StorageError

QUARANTINE: Final = "quarantine"


class Objects:
    """The objects below a folder of a store."""

    def __init__(self, files: Files, folder: str) -> None:
        self._files, self._folder = files, folder

    def path(self, sha256: str) -> str:
        """Where an object lies."""
        return f"{self._folder}/{sha256[:2]}/{sha256}"

    def has(self, sha256: str) -> bool:
        """Whether an object is there, whole or not."""
        path = self.path(sha256)
        return any(file.path == path for file in self._files.files(path.rpartition("/")[0]))

    def all(self) -> list[StoredFile]:
        """Every object."""
        return self._files.files(self._folder)

    def delete(self, sha256: str) -> None:
        """Remove an object; harmless where there is none."""
        self._files.delete(self.path(sha256))

    def put(self, sha256: str, source: Path, *, is_moved: bool) -> None:
        """Store a file whose hash is known; a whole object of it stays.

        Raises:
            StorageError: the file changed while it was read.
        """
        if self._is_whole(sha256):
            if is_moved:
                source.unlink()
            return
        if is_moved:
            self._files.take(self.path(sha256), source)
            return
        self._files.write(self.path(sha256), _unchanged(chunks_of(source), sha256, source))

    def put_bytes(self, content: bytes) -> str:
        """Store bytes; their hash."""
        sha256 = hashlib.sha256(content).hexdigest()
        if not self._is_whole(sha256):
            self._files.write(self.path(sha256), [content])
        return sha256

    def read(self, sha256: str) -> Iterator[bytes]:
        """The bytes of an object in pieces; the last comes only if all were right.

        Raises:
            DamagedError: they are not those of the hash; the object is in quarantine then.
            FileNotFoundError: there is no such object.
        """
        hasher, held = hashlib.sha256(), b""
        for chunk in self._files.read(self.path(sha256)):
            hasher.update(chunk)
            yield held
            held = chunk
        if hasher.hexdigest() != sha256:
            self.quarantine(self.path(sha256))
            raise DamagedError(f"object {sha256[:12]} does not match its SHA-256")
        yield held

    def quarantine(self, path: str) -> None:
        """Put a damaged file aside, where it is never read."""
        self._files.move(path, f"{QUARANTINE}/{path.rpartition('/')[2]}-{uuid.uuid4().hex[:8]}")

    def _is_whole(self, sha256: str) -> bool:
        """Whether an object is there; one that is damaged is put aside."""
        try:
            for _ in self.read(sha256):
                pass
        except (FileNotFoundError, DamagedError):
            return False
        return True


def _unchanged(chunks: Iterable[bytes], sha256: str, source: Path) -> Iterator[bytes]:
    hasher = hashlib.sha256()
    for chunk in chunks:
        hasher.update(chunk)
        yield chunk
    if hasher.hexdigest() != sha256:
        raise StorageError(f"{source} changed while it was stored; store it when nothing writes to it")
