"""Files of exports, sent without a path from outside: each is looked up as a row, and opened below a folder.

No symbolic link is followed on the way, so what lies elsewhere on the machine cannot be reached.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

from fastapi.responses import Response, StreamingResponse

from nas.artifacts.files import CHUNK_BYTES
from nas.jobs.exporting import EXPORTS
from nas.service.problems import ProblemError, not_found
from storage import ExportFile

#: What stands for a slash in an address.
SLASH: Final = "--"
_RANGE: Final = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OLD: Final = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportFolder:
    """The folder of an export job below the artifacts of a service."""

    artifacts: Path
    job_id: int

    def open(self, file: ExportFile) -> int:
        """A descriptor of a file, which is as long as its row says.

        Raises:
            ProblemError: 410, it is not there any more, or is another one.
        """
        with contextlib.ExitStack() as stack:
            try:
                folder = os.open(self.artifacts, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                stack.callback(os.close, folder)
                parts = [EXPORTS, str(self.job_id), *_parts(file.name)]
                for part in parts[:-1]:
                    folder = os.open(part, _FOLDER, dir_fd=folder)
                    stack.callback(os.close, folder)
                descriptor = os.open(parts[-1], _FILE, dir_fd=folder)
            except OSError:
                raise _gone(file) from None
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size != file.size_bytes:
            os.close(descriptor)
            raise _gone(file)
        return descriptor


def flat_name(file: ExportFile) -> str:
    """The name of a file in an address."""
    return file.name.replace("/", SLASH)


def find_file(files: Sequence[ExportFile], name: str) -> ExportFile:
    """The file of a name in an address.

    Raises:
        ProblemError: 404.
    """
    for file in files:
        if flat_name(file) == name:
            return file
    raise not_found()


def file_response(
    folder: ExportFolder, file: ExportFile, *, wanted: str | None, known: str | None
) -> Response:
    """A file as an attachment.

    Args:
        folder: where it lies.
        file: its row.
        wanted: the header Range; anything but one range of bytes is answered with the whole file.
        known: the header If-None-Match.

    Raises:
        ProblemError: 410 for a file that is gone, 416 for a range beyond its end.
    """
    tag = f'"{file.sha256}"'
    headers = {
        "ETag": tag,
        "Accept-Ranges": "bytes",
        "Content-Disposition": f'attachment; filename="{_safe(Path(file.name).name)}"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-cache",
    }
    if known is not None and tag in known:
        return Response(status_code=304, headers=headers)
    first, last = _range(wanted, file.size_bytes)
    is_part = (first, last) != (0, file.size_bytes - 1)
    if is_part:
        headers["Content-Range"] = f"bytes {first}-{last}/{file.size_bytes}"
    headers["Content-Length"] = str(last - first + 1)
    descriptor = folder.open(file)
    return StreamingResponse(
        _Descriptor(descriptor).chunks(first, last + 1),
        206 if is_part else 200,
        headers=headers,
        media_type="application/octet-stream",
    )


def archive_response(folder: ExportFolder, files: Sequence[ExportFile], name: str) -> Response:
    """All files as a zip, made while it is sent; they lie in a folder of that name.

    Raises:
        ProblemError: 410, a file is gone.
    """
    for file in files:
        os.close(folder.open(file))
    headers = {
        "Content-Disposition": f'attachment; filename="{_safe(name)}.zip"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-cache",
    }
    body = zipped(((f"{_safe(name)}/{file.name}", file) for file in files), folder.open)
    return StreamingResponse(body, headers=headers, media_type="application/zip")


def zipped(entries: Iterator[tuple[str, ExportFile]], opened: Callable[[ExportFile], int]) -> Iterator[bytes]:
    """The bytes of a zip of uncompressed files, in pieces: weights do not get smaller."""
    sink = _Sink()
    with zipfile.ZipFile(cast("IO[bytes]", sink), "w") as archive:
        for name, file in entries:
            entry = zipfile.ZipInfo(name, _OLD)
            entry.external_attr = 0o644 << 16
            with archive.open(entry, "w", force_zip64=True) as target:
                for chunk in _Descriptor(opened(file)).chunks(0, file.size_bytes):
                    target.write(chunk)
                    yield sink.taken()
            yield sink.taken()
    yield sink.taken()


class _Descriptor:
    """An open file, closed when its bytes were read or nobody wants more."""

    def __init__(self, descriptor: int) -> None:
        self._file = os.fdopen(descriptor, "rb", buffering=0)

    def chunks(self, start: int, end: int) -> Iterator[bytes]:
        """Its bytes from the first up to another, which is left out."""
        with self._file as file:
            file.seek(start)
            while start < end and (chunk := file.read(min(CHUNK_BYTES, end - start))):
                start += len(chunk)
                yield chunk


class _Sink:
    """What a zip is written to: keeps bytes until they are taken, and cannot go back."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Keep bytes."""
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def taken(self) -> bytes:
        """What was written since the last call."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


def _parts(name: str) -> list[str]:
    parts = name.split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise OSError(f"{name!r} is no name of a file within a folder")
    return parts


def _range(wanted: str | None, size: int) -> tuple[int, int]:
    """First and last byte of the one range that is wanted, or of the file."""
    match = None if wanted is None else _RANGE.fullmatch(wanted)
    if match is None or not any(match.groups()):
        return 0, size - 1
    start, end = match.groups()
    first = int(start) if start else max(0, size - int(end))
    last = min(int(end), size - 1) if start and end else size - 1
    if first > last:
        headers = {"Content-Range": f"bytes */{size}"}
        raise ProblemError(416, "range-not-satisfiable", f"the file has {size} bytes", headers=headers)
    return first, last


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)


def _gone(file: ExportFile) -> ProblemError:
    return ProblemError(410, "gone", f"file {file.name!r} of this export is not here any more; export again")
