"""Objects behind any URL that fsspec knows, such as s3://bucket/folder or memory://folder."""

from __future__ import annotations

import importlib
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from nas.artifacts.files import CHUNK_BYTES, TEMPORARY, StoredFile, chunks_of
from nas.errors import ConfigError, StorageError

#: Where file systems of fsspec tell when a file was written.
_WRITTEN: Final = ("LastModified", "last_modified", "mtime", "updated", "created")


class RemoteFiles:
    """A folder behind a URL. How durable a finished write is, is up to the place.

    Raises:
        ConfigError: fsspec, or what it needs for this kind of URL, is not installed.
    """

    def __init__(self, url: str) -> None:
        try:
            files, root = importlib.import_module("fsspec.core").url_to_fs(url)
        except ImportError as error:
            raise ConfigError(
                f"artifacts at {url} need a package that is not installed ({error}); "
                "pip install 'subnas[artifacts]' and what fsspec names for this kind of URL"
            ) from error
        except ValueError as error:
            raise ConfigError(
                f"artifacts at {url}: {error}; give a folder, or a URL that fsspec knows"
            ) from error
        self._files: Any = files
        self._root, self._url = str(root).rstrip("/"), url

    @property
    def location(self) -> str:
        """The URL."""
        return self._url

    def write(self, path: str, chunks: Iterable[bytes]) -> None:
        """See `Files.write`."""
        target, temporary = self._at(path), self._at(f"{TEMPORARY}{uuid.uuid4().hex}")
        with self._translated("write", path):
            self._files.makedirs(target.rpartition("/")[0], exist_ok=True)
            try:
                with self._files.open(temporary, "wb") as stream:
                    stream.writelines(chunks)
                self._files.mv(temporary, target)
            finally:
                with suppress(Exception):  # the file has moved, or what broke the write breaks this too
                    self._files.rm_file(temporary)

    def take(self, path: str, source: Path) -> None:
        """See `Files.take`."""
        self.write(path, chunks_of(source))
        source.unlink()

    def read(self, path: str) -> Iterator[bytes]:
        """See `Files.read`."""
        with self._translated("read", path), self._files.open(self._at(path), "rb") as stream:
            while chunk := stream.read(CHUNK_BYTES):
                yield chunk

    def files(self, folder: str = "") -> list[StoredFile]:
        """See `Files.files`."""
        with self._translated("list", folder):
            try:
                self._files.invalidate_cache()
                found = self._files.find(self._at(folder), detail=True)
            except FileNotFoundError:
                return []
        # Some places begin their paths with a slash, whatever they were asked for.
        root = self._root.lstrip("/")
        return [
            StoredFile(
                path=path.lstrip("/").removeprefix(root).lstrip("/"),
                num_bytes=int(facts["size"]),
                age_s=_age_s(facts),
            )
            for path, facts in sorted(found.items())
        ]

    def move(self, path: str, new_path: str) -> None:
        """See `Files.move`."""
        target = self._at(new_path)
        with self._translated("move", path):
            self._files.makedirs(target.rpartition("/")[0], exist_ok=True)
            self._files.mv(self._at(path), target)

    def delete(self, path: str) -> None:
        """See `Files.delete`."""
        with self._translated("delete", path), suppress(FileNotFoundError):
            self._files.rm_file(self._at(path))

    def free_bytes(self) -> int | None:
        """Unknown."""
        return None

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}" if path else self._root

    @contextmanager
    def _translated(self, verb: str, path: str) -> Iterator[None]:
        """Each place has errors of its own, which have no common root."""
        try:
            yield
        except (FileNotFoundError, StorageError):
            raise
        except Exception as error:
            raise StorageError(
                f"cannot {verb} {self._url}/{path}: {type(error).__name__}: {error}"
            ) from error


def _age_s(facts: dict[str, Any]) -> float:
    written = next((facts[name] for name in _WRITTEN if facts.get(name) is not None), None)
    if isinstance(written, datetime):
        written = (written if written.tzinfo is not None else written.replace(tzinfo=UTC)).timestamp()
    if not isinstance(written, int | float):
        return 0.0
    return datetime.now(UTC).timestamp() - written
