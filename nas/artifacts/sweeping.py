"""Removing what nothing stands for any more."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from nas.artifacts.files import TEMPORARY, Files, StoredFile
from nas.artifacts.objects import QUARANTINE

logger = logging.getLogger(__name__)

DAY_S: Final = 86_400.0
#: Damaged files are kept for this long for whoever wants to look at them.
QUARANTINE_S: Final = 30 * DAY_S


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepReport:
    """What a sweep removed."""

    num_files: int
    num_bytes: int


def sweep_temporaries(files: Files) -> SweepReport:
    """Remove what writers that were killed left more than a day ago."""
    left = [file for file in files.files() if file.path.startswith(TEMPORARY) and file.age_s > DAY_S]
    return _removed(files, left)


def sweep_orphans(
    files: Files, objects: Iterable[StoredFile], referenced: set[str], *, older_than_s: float
) -> SweepReport:
    """Remove objects that are old and not among `referenced`, and what was long in quarantine."""
    orphans = [
        file
        for file in objects
        if file.age_s > older_than_s and file.path.rpartition("/")[2] not in referenced
    ]
    damaged = [file for file in files.files(QUARANTINE) if file.age_s > QUARANTINE_S]
    return _removed(files, [*orphans, *damaged])


def _removed(files: Files, chosen: list[StoredFile]) -> SweepReport:
    for file in chosen:
        files.delete(file.path)
    report = SweepReport(num_files=len(chosen), num_bytes=sum(file.num_bytes for file in chosen))
    if chosen:
        logger.info("%s: swept %d files, %d bytes", files.location, report.num_files, report.num_bytes)
    return report
