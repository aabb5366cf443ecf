"""Bringing objects to this machine: checked while they are read, whole or not there."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nas.artifacts.files import TEMPORARY, sync
from nas.artifacts.manifest import parsed_tree
from nas.artifacts.objects import Objects
from nas.errors import ConfigError, StorageError


def fetch_file(objects: Objects, sha256: str, destination: Path) -> None:
    """Write an object to a file, which takes the place of an older one.

    Raises:
        DamagedError: the object is not what was stored.
        FileNotFoundError: there is no such object.
        StorageError: the file can't be written.
    """
    with _temporary(destination) as temporary:
        _write(temporary, objects.read(sha256))
        temporary.replace(destination)
        sync(destination.parent)


def fetch_folder(objects: Objects, trees: Objects, sha256: str, destination: Path) -> None:
    """Write a folder; `fetch_file` says what else is raised.

    Raises:
        ConfigError: the destination is there already.
    """
    tree = parsed_tree(b"".join(trees.read(sha256)))
    if destination.exists():
        raise ConfigError(f"{destination} exists already; choose a new folder")
    with _temporary(destination) as temporary:
        temporary.mkdir()
        for path, (file_sha256, _) in tree.items():
            target = temporary / path
            target.parent.mkdir(parents=True, exist_ok=True)
            _write(target, objects.read(file_sha256))
        for folder in [*(one for one in temporary.rglob("*") if one.is_dir()), temporary]:
            sync(folder)
        temporary.rename(destination)
        sync(destination.parent)


def _write(path: Path, chunks: Iterable[bytes]) -> None:
    with path.open("xb") as stream:
        stream.writelines(chunks)
        stream.flush()
        os.fsync(stream.fileno())


@contextmanager
def _temporary(destination: Path) -> Iterator[Path]:
    """A path beside the destination; nothing is left there however the block ends."""
    temporary = destination.parent / f"{TEMPORARY}{destination.name}-{uuid.uuid4().hex[:8]}"
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StorageError(f"cannot write {destination}: {error.strerror or error}") from error
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)
