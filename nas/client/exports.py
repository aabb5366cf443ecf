"""A sub-network exported by a service and fetched from it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from nas.client.connection import Connection
from nas.client.downloads import download_files, require_free
from nas.client.facts import RemoteFile
from nas.client.jobs import RemoteJob
from nas.errors import ExportVerificationError
from nas.progress import progress_bar
from nas.report.tables import html_table


@dataclass(frozen=True, kw_only=True)
class RemoteExport:
    """An exported model folder on this machine.

    Attributes:
        folder: where it is now.
        study: that the sub-network is of.
        trial: its number.
        files: with their checksums, which were compared.
        record: every member of the service's answer.
    """

    id: int
    folder: Path
    study: str
    trial: int
    files: tuple[RemoteFile, ...]
    record: Mapping[str, Any]

    @classmethod
    def from_json(cls, record: Mapping[str, Any], folder: Path) -> Self:
        """A finished export of an answer."""
        return cls(
            id=record["id"],
            folder=folder,
            study=record["study"],
            trial=record["trial"],
            files=_files(record),
            record=record,
        )

    def _repr_html_(self) -> str:
        rows = [(file.name, f"{file.size_bytes:,} bytes", file.sha256[:12]) for file in self.files]
        title = f"Trial {self.trial} of {self.study} in {self.folder}"
        return html_table(title, rows, head=("file", "size", "SHA-256"))


@dataclass(frozen=True, kw_only=True)
class ExportRequest:
    """What to export: a trial, or the best one under budgets.

    Attributes:
        formats: `hf` is always written; None for those of the study's config.
        weights: `auto` (recovered ones if there are any), `supernet` or `recovered`.
    """

    study: str
    trial: int | None = None
    where: tuple[str, ...] = ()
    formats: tuple[str, ...] | None = None
    weights: str = "auto"

    def body(self) -> dict[str, Any]:
        """As the service takes it."""
        chosen: dict[str, Any] = (
            {"trial": self.trial} if self.trial is not None else {"where": list(self.where)}
        )
        formats = {} if self.formats is None else {"formats": list(self.formats)}
        return {"study": self.study, **chosen, **formats, "weights": self.weights}


def export_to(
    connection: Connection,
    request: ExportRequest,
    folder: Path,
    *,
    key: str,
    overwrite: bool = False,
    show_progress_bar: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> RemoteExport:
    """Have the service export a sub-network, and fetch it.

    Raises:
        ConfigError: the folder is taken.
        ExportVerificationError: the export failed, or a file did not arrive as it was recorded.
    """
    require_free(folder, overwrite=overwrite)
    submitted = connection.post("exports", body=request.body(), key=key)
    job = RemoteJob.of(connection, submitted["id"], sleep=sleep)
    ended = job.wait(show_progress_bar=show_progress_bar)
    assert ended is not None
    if ended.status != "completed":
        raise ExportVerificationError(f"export {job.id} of {request.study} {ended.status}: {ended.reason}")
    record = connection.get("exports", job.id)
    with progress_bar("download", enabled=show_progress_bar) as progress:
        download_files(
            connection, job.id, _files(record), folder, overwrite=overwrite, progress=progress, sleep=sleep
        )
    return RemoteExport.from_json(record, folder)


def _files(record: Mapping[str, Any]) -> tuple[RemoteFile, ...]:
    keys: Sequence[str] = ("name", "sha256", "size_bytes")
    return tuple(RemoteFile(**{key: file[key] for key in keys}) for file in record["files"])
