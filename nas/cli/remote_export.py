"""`nas export` at a service: exported there, fetched and checked here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.cli.output import Output, note, note_commands
from nas.cli.remote import connected

if TYPE_CHECKING:
    from nas.client import RemoteExport


@dataclass(frozen=True, kw_only=True)
class RemoteRequest:
    """What the command line asks for: a trial of a study, or the best under budgets."""

    name: str
    number: int | None
    where: tuple[str, ...]
    formats: tuple[str, ...] | None
    weights: str


def export_there(out: Output, request: RemoteRequest, folder: Path, server: str, *, overwrite: bool) -> None:
    """Have a service export a sub-network, and fetch the folder.

    Raises:
        InfeasibleError: no trial meets the budgets.
        ExportVerificationError: the export failed there, or a file did not arrive as it was recorded.
    """
    with connected(server) as client:
        if out.is_text:
            note(f"{client.url} exports {request.name}")
        found = client.study(request.name).export(
            request.number,
            folder,
            where=request.where,
            formats=request.formats,
            weights=request.weights,
            overwrite=overwrite,
            show_progress_bar=out.is_text,
        )
    if out.as_json:
        out.json(_record(found))
    elif out.quiet:
        out.ids([found.folder])
    else:
        size = sum(file.size_bytes for file in found.files)
        out.pairs(
            {
                "folder": str(found.folder),
                "trial": f"{found.study}@{found.trial}",
                "files": f"{len(found.files)}, {size / 2**20:.1f} MiB, checksums compared",
            }
        )
        note_commands([f"nas verify {found.folder}"])


def _record(export: RemoteExport) -> dict[str, Any]:
    return {**export.record, "folder": str(export.folder)}
