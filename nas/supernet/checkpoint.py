"""A supernet on disk: an ordinary model folder plus what makes it a supernet, each file with its hash."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from nas.errors import ConfigError, StorageError

MANIFEST: Final = "manifest.json"


@contextmanager
def new_folder(path: Path, *, needed_bytes: int = 0) -> Iterator[Path]:
    """A temporary folder that takes the place of `path` when the block ends well; otherwise nothing is left.

    Raises:
        StorageError: too little free space; asked for twice `needed_bytes` before anything is written.
    """
    path = path.absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(path.parent).free
    if free < 2 * needed_bytes:
        raise StorageError(
            f"{path.parent} has {free / 1e6:.0f} MB free, {2 * needed_bytes / 1e6:.0f} MB are needed; "
            "free some space or choose another folder"
        )
    temporary = path.parent / f".tmp-{path.name}-{uuid.uuid4().hex[:8]}"
    temporary.mkdir()
    try:
        yield temporary
        _sync_tree(temporary)
        _replace(temporary, path)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_manifest(folder: Path, facts: dict[str, Any]) -> None:
    """Record the size and SHA-256 of every file of a folder, with `facts` beside them."""
    files = {
        str(file.relative_to(folder)): {"sha256": file_sha256(file), "bytes": file.stat().st_size}
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != MANIFEST
    }
    text = json.dumps({**facts, "files": files}, indent=2, sort_keys=True)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Check every file of a folder against its manifest and return the facts.

    Raises:
        ConfigError: the folder has no manifest.
        StorageError: a file is missing, cut short or changed.
    """
    try:
        record: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{folder} is no supernet folder: it has no {MANIFEST}") from error
    except ValueError as error:
        raise StorageError(f"{folder / MANIFEST} is damaged: {error}") from error
    for name, facts in record["files"].items():
        file = folder / name
        if not file.is_file():
            raise StorageError(f"{folder} is damaged: {name} is missing")
        if file.stat().st_size != facts["bytes"] or file_sha256(file) != facts["sha256"]:
            raise StorageError(f"{folder} is damaged: {name} does not match its SHA-256")
    return record


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sync_tree(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _replace(temporary: Path, path: Path) -> None:
    """Put a finished folder in place; an older one of that name goes only when the new one is whole."""
    old = path.parent / f".old-{path.name}-{uuid.uuid4().hex[:8]}"
    if path.exists():
        path.rename(old)
    temporary.rename(path)
    shutil.rmtree(old, ignore_errors=True)
