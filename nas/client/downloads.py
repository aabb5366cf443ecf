"""A folder that appears whole: every file is fetched beside it, checked, and then it is renamed."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from nas.client.connection import PATIENCE_S, Connection
from nas.client.errors import ServiceUnreachableError
from nas.client.facts import RemoteFile
from nas.errors import ConfigError, ExportVerificationError
from nas.progress import Progress, no_progress

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_WAIT_S: Final = 1.0
_PARTIAL: Final = ".partial"


def download_files(
    connection: Connection,
    export_id: int,
    files: Sequence[RemoteFile],
    folder: Path,
    *,
    overwrite: bool = False,
    progress: Progress = no_progress,
    sleep: Callable[[float], None] = time.sleep,
) -> Path:
    """Fetch the files of an export into a folder, which is there only once all of them are right.

    Args:
        connection: to the service.
        export_id: of the export.
        files: with the checksums that they must have.
        folder: that does not exist yet, or is empty.
        overwrite: replace what is there.
        progress: told the bytes that have arrived.
        sleep: waits a number of seconds between two tries.

    Raises:
        ConfigError: the folder exists, or a file has a name that leads elsewhere.
        ExportVerificationError: a file is not what the service has recorded.
        ServiceUnreachableError: the service was away for too long.
    """
    names = [_checked_name(file.name) for file in files]
    if len(set(names)) < len(names):
        raise ExportVerificationError("the service names a file of the export twice; nothing was written")
    require_free(folder, overwrite=overwrite)
    partial = folder.with_name(f".{folder.name}{_PARTIAL}-{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        done, total = 0, sum(file.size_bytes for file in files)
        for file in files:
            _fetch(connection, export_id, file, partial, sleep)
            done += file.size_bytes
            progress(done, total, file.name)
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def require_free(folder: Path, *, overwrite: bool) -> None:
    """Refuse to write into what is there.

    Raises:
        ConfigError: it is a file, or a folder with files in it and `overwrite` is false.
    """
    if folder.is_dir() and (overwrite or not any(folder.iterdir())):
        return
    if folder.exists() or folder.is_symlink():
        raise ConfigError(f"{folder} exists already; name another folder, or say overwrite")


def _checked_name(name: str) -> str:
    parts = name.split("/")
    if len(name) > 512 or not all(_NAME.fullmatch(part) for part in parts):
        raise ExportVerificationError(
            f"the service names a file {name[:80]!r}, which no export has; nothing was written"
        )
    return name


def _fetch(
    connection: Connection, export_id: int, file: RemoteFile, folder: Path, sleep: Callable[[float], None]
) -> None:
    """One file, begun anew while the connection breaks and the patience lasts."""
    give_up = time.monotonic() + PATIENCE_S
    while True:
        try:
            found = _streamed(connection, export_id, file, folder / file.name)
            break
        except ServiceUnreachableError:
            if time.monotonic() > give_up:
                raise
            sleep(_WAIT_S)
    if found != file.sha256:
        raise ExportVerificationError(
            f"{file.name} arrived with SHA-256 {found[:12]}…, recorded is {file.sha256[:12]}…; "
            "nothing was kept: fetch it again, and if it stays so, export it again"
        )


def _streamed(connection: Connection, export_id: int, file: RemoteFile, path: Path) -> str:
    """The SHA-256 of what was written; no more than one byte beyond the recorded size is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    parts = ("exports", export_id, "files", *file.name.split("/"))
    plain = {"accept": "*/*", "accept-encoding": "identity"}
    with connection.stream(*parts, headers=plain) as response, path.open("wb") as out:
        for piece in response.iter_bytes():
            size += len(piece)
            if size > file.size_bytes:
                raise ExportVerificationError(
                    f"{file.name} is longer than the {file.size_bytes} bytes recorded"
                )
            digest.update(piece)
            out.write(piece)
        out.flush()
        os.fsync(out.fileno())
    return digest.hexdigest()
