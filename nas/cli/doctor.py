"""`nas doctor`: whether this machine has what a search needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from nas.cli.checks import Check, Status
from nas.cli.options import DEFAULT_ARTIFACTS, DEFAULT_STORAGE, ArtifactsOption, JsonOption, StorageOption
from nas.cli.output import Column, Output, note

_MARKS: Final[dict[Status, str]] = {"ok": "✓", "advice": "·", "missing": "✗"}


def doctor(
    *,
    storage: StorageOption = DEFAULT_STORAGE,
    artifacts: ArtifactsOption = DEFAULT_ARTIFACTS,
    ray: Annotated[
        bool, typer.Option("--ray", help="Start a local Ray cluster and run a task on it.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check versions, devices, database, Ray, folders and disk space."""
    checks = run_checks(storage, artifacts, with_ray=ray)
    out = Output(as_json=as_json)
    if as_json:
        out.json([{"name": c.name, "status": c.status, "found": c.found, "advice": c.advice} for c in checks])
    else:
        columns = [Column(title=title, align="left") for title in ("", "check", "found", "advice")]
        out.table(columns, [[_MARKS[c.status], c.name, c.found, c.advice] for c in checks])
    missing = [check for check in checks if check.status == "missing"]
    if missing:
        note(
            f"{len(missing)} of {len(checks)} checks failed: {', '.join(c.name for c in missing)}",
            label="error",
        )
        raise typer.Exit(missing[0].exit_code)


def run_checks(storage: str, artifacts: Path, *, with_ray: bool) -> list[Check]:
    """Every check, the cheap ones first."""
    from nas.cli import checks

    found = [
        *checks.packages(),
        *checks.extras(),
        checks.processor(),
        *checks.folders(artifacts),
        checks.database(storage),
        *checks.torch_devices(),
        *checks.runtimes(),
        checks.ray_importable(),
    ]
    return [*found, checks.ray_cluster()] if with_ray else found
