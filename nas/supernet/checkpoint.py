"""A supernet on disk: an ordinary model folder plus what makes it a supernet, each file with its hash."""

from __future__ import annotations

import glob
import json
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError

from nas.artifacts.files import file_sha256, sync
from nas.errors import ConfigError, StorageError

MANIFEST: Final = "manifest.json"


@contextmanager
def new_folder(path: Path, *, needed_bytes: int = 0, marker: str = MANIFEST) -> Iterator[Path]:
    """A temporary folder that takes the place of `path` when the block ends well; otherwise nothing is left.

    Args:
        path: an older folder of that name is replaced if it has `marker` or is empty.
        needed_bytes: twice as much must be free before anything is written.
        marker: file that only our folders have.

    Raises:
        ConfigError: something else is at `path`.
        StorageError: too little free space, or the folder cannot be written.
    """
    path = path.resolve()
    _refuse_foreign(path, marker)
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
    except (OSError, SafetensorError) as error:
        raise StorageError(f"cannot write {path}: {error}") from error
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
    record = read_facts(folder)
    check_files(folder, record)
    return record


def read_facts(folder: Path) -> dict[str, Any]:
    """The facts of a folder, its files unchecked; `read_manifest` says what is raised."""
    recover(folder)
    try:
        record: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        _listed(record)
    except FileNotFoundError as error:
        raise ConfigError(f"{folder} is no supernet folder: it has no {MANIFEST}") from error
    except NotADirectoryError as error:
        raise ConfigError(f"{folder} is a file, not a supernet folder") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StorageError(f"{folder / MANIFEST} is damaged: {error!r}") from error
    return record


def check_files(
    folder: Path, record: dict[str, Any], *, hash_file: Callable[[Path], str] | None = None
) -> None:
    """Compare every file with its facts, reading each once; `read_manifest` says what is raised."""
    for name, (size, sha256) in _listed(record).items():
        file = folder / name
        if not file.is_file():
            raise StorageError(f"{folder} is damaged: {name} is missing")
        if file.stat().st_size != size or (hash_file or file_sha256)(file) != sha256:
            raise StorageError(f"{folder} is damaged: {name} does not match its SHA-256")


def recover(folder: Path) -> None:
    """Put back the older folder where a kill came between moving it away and moving the new one in."""
    folder = folder.resolve()
    if not folder.exists():
        for old in folder.parent.glob(f".old-{glob.escape(folder.name)}-????????"):
            old.rename(folder)
            return


def _listed(record: dict[str, Any]) -> dict[str, tuple[int, str]]:
    """Size and SHA-256 of each file of a manifest."""
    return {name: (facts["bytes"], facts["sha256"]) for name, facts in record["files"].items()}


def _sync_tree(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        sync(path)


def _replace(temporary: Path, path: Path) -> None:
    """Put a finished folder in place; an older one of that name goes only when the new one is whole."""
    old = path.parent / f".old-{path.name}-{uuid.uuid4().hex[:8]}"
    has_old = path.exists()
    if has_old:
        path.rename(old)
    try:
        temporary.rename(path)
        sync(path.parent)
    except OSError:
        recover(path)
        raise
    if has_old:
        shutil.rmtree(old, ignore_errors=True)


def _refuse_foreign(path: Path, marker: str) -> None:
    is_ours = path.is_dir() and ((path / marker).is_file() or not any(path.iterdir()))
    if path.exists() and not is_ours:
        raise ConfigError(f"{path} exists and was not written by this library; choose a new folder")
