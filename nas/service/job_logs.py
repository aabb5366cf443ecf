"""The log of a job, a page at a time."""

from __future__ import annotations

import os
from typing import Final

from nas.service.redaction import redacted
from nas.service.schemas.jobs import LogPage
from storage import JobRecord

#: A line that is longer is cut.
_LONGEST_LINE: Final = 64 * 1024


def log_page(job: JobRecord, offset: int, limit: int) -> LogPage:
    """Whole lines of a job's log.

    The file is that of the job's row. A log that is not on this machine, or not there yet, is empty.

    Args:
        job: whose log it is.
        offset: in bytes, where a line begins.
        limit: bytes; a single line may take more, up to 64 KiB.
    """
    read = _read(job.log, offset, max(limit, _LONGEST_LINE) + 1)
    is_whole = len(read) <= limit
    text = read if is_whole and job.state.is_final else _whole_lines(read, limit)
    return LogPage(
        text=redacted(text.decode("utf-8", errors="replace")),
        next_offset=offset + len(text),
        is_end=job.state.is_final and is_whole,
    )


def _whole_lines(read: bytes, limit: int) -> bytes:
    """Lines that end within the limit, at least one; nothing while the only one is still being written."""
    end = read.rfind(b"\n", 0, limit) + 1 or read.find(b"\n") + 1
    return read[: end or (len(read) if len(read) > _LONGEST_LINE else 0)]


def _read(path: str | None, offset: int, limit: int) -> bytes:
    if path is None:
        return b""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.pread(descriptor, limit, offset)
    finally:
        os.close(descriptor)
