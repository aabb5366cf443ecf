"""Files that export jobs made: their names, and the hashes that find their bytes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from sqlalchemy import Connection, delete, insert, select

from .events import EventKind
from .job_leases import held_job
from .job_records import ExportFile, JobLease
from .job_rows import log_job
from .tables import export_file
from .values import checked_sha256

_COLUMNS = tuple(export_file.c[field.name] for field in dataclasses.fields(ExportFile))


def checked_files(files: Sequence[ExportFile]) -> list[ExportFile]:
    """The files by name.

    Raises:
        ValueError: a name is empty or appears twice, a hash is none, or a size is negative.
    """
    names = [file.name for file in files]
    if len(set(names)) < len(names) or not all(names):
        raise ValueError(f"exported files {names}: allowed are names that are not empty, each once")
    for file in files:
        checked_sha256(file.sha256)
        if file.size_bytes < 0:
            raise ValueError(
                f"exported file {file.name!r} of {file.size_bytes} bytes: allowed are 0 and more"
            )
    return sorted(files, key=lambda file: file.name)


def put_export_files(connection: Connection, lease: JobLease, files: Sequence[ExportFile]) -> None:
    """Stores checked files in the place of those that the job had; equal ones change nothing.

    Raises:
        JobFencedError: the lease is over.
        UnknownJobError: there is no such job.
    """
    found = held_job(connection, lease)
    if read_export_files(connection, lease.job_id) == list(files):
        return
    connection.execute(delete(export_file).where(export_file.c.job_id == lease.job_id))
    rows = [{"job_id": lease.job_id, **dataclasses.asdict(file)} for file in files]
    if rows:
        connection.execute(insert(export_file), rows)
    payload = {"files": [dataclasses.asdict(file) for file in files], "epoch": lease.epoch}
    log_job(connection, lease.job_id, found.study, EventKind.EXPORT_STORED, **payload)


def read_export_files(connection: Connection, job_id: int) -> list[ExportFile]:
    """Files of a job by name; none of a job that made none."""
    query = select(*_COLUMNS).where(export_file.c.job_id == job_id)
    files = (ExportFile(**row._mapping) for row in connection.execute(query))
    return sorted(files, key=lambda file: file.name)
