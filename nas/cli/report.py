"""`nas report`: a study as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.cli.options import (
    DEFAULT_STORAGE,
    JsonOption,
    QuietOption,
    StorageOption,
    StudyArgument,
    require_database,
)
from nas.cli.output import Output, note


def report(
    study: StudyArgument,
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="HTML file to write or replace.")
    ] = Path("report.html"),
    storage: StorageOption = DEFAULT_STORAGE,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write front, baselines, progress, importances and costs of a study as a page that needs no network."""
    require_database(storage)
    from nas.study.report.opening import report_from

    out = Output(as_json=as_json, quiet=quiet)
    path = report_from(storage, study, output)
    if as_json:
        out.json({"study": study, "path": str(path), "bytes": path.stat().st_size})
        return
    out.ids([path])
    if not quiet:
        note(f"{path.stat().st_size / 1e6:.1f} MB; open it in a browser, it needs no network")
