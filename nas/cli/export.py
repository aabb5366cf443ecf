"""`nas export` and `nas verify`: a sub-network as an ordinary model folder."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli.figures import figure
from nas.cli.options import (
    DEFAULT_ARTIFACTS,
    DEFAULT_STORAGE,
    ArtifactsOption,
    JsonOption,
    QuietOption,
    StorageOption,
    WhereOption,
    open_study,
)
from nas.cli.output import Output, note
from nas.errors import ConfigError

if TYPE_CHECKING:
    from nas.export import ExportReport, VerificationReport
    from nas.study import Study, Trial

_TRIAL = re.compile(r"(.+)@([0-9]{1,9})")


def export(
    source: Annotated[
        str,
        typer.Argument(metavar="STUDY[@TRIAL]", help="A trial, or a study with --where.", show_default=False),
    ],
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write.")],
    where: WhereOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export.")] = False,
    storage: StorageOption = DEFAULT_STORAGE,
    artifacts: ArtifactsOption = DEFAULT_ARTIFACTS,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write a sub-network as a model folder, proven equal to what was searched."""
    out = Output(as_json=as_json, quiet=quiet)
    name, number = _parsed(source, where)
    with open_study(name, storage) as study:  # without weights, so that a wrong trial is told at once
        trial = study.best(where or ()) if number is None else _trial(study, number)
    if out.is_text:
        note(f"exporting trial {trial.number}: {trial.architecture}")
    with open_study(name, storage, artifacts=artifacts) as study:
        report = study.export(trial.number, output, overwrite=overwrite)
    if as_json:
        out.json(asdict(report))
    elif quiet:
        out.ids([report.folder])
    else:
        out.pairs(_summary(report))


def verify(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="An exported folder.", show_default=False)],
    *,
    trust: Annotated[
        bool,
        typer.Option(
            "--trust-modelling-file",
            help="Run a modelling file that is not this version's, if its hash fits.",
        ),
    ] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Check an exported folder: every file, and that it loads and answers as recorded."""
    from nas.export import verify_folder

    out = Output(as_json=as_json, quiet=quiet)
    report = verify_folder(folder, trust_modelling_file=trust)
    if as_json:
        out.json(asdict(report))
    elif quiet:
        out.ids([folder])
    else:
        out.text(f"ok: {folder}", style="bold green")
        out.pairs(_summary(report))


def _parsed(source: str, where: list[str] | None) -> tuple[str, int | None]:
    """Study and trial of `STUDY@TRIAL`, or the study alone."""
    match = _TRIAL.fullmatch(source)
    if match is None and not where:
        raise ConfigError(
            f"which trial of {source}? Give {source}@TRIAL, or budgets such as --where 'latency_ms <= 8'; "
            f"`nas trials ls {source} --front` lists the best"
        )
    if match is None:
        return source, None
    if where:
        raise ConfigError(f"{source} names a trial, so --where has nothing to choose; give one of the two")
    return match[1], int(match[2])


def _trial(study: Study, number: int) -> Trial:
    known = {trial.number: trial for trial in study.trials}
    if number not in known:
        last = f"its last is {max(known)}" if known else "it has none yet"
        raise ConfigError(
            f"study {study.name!r} has no trial {number}; {last}. `nas trials ls {study.name}` lists them"
        )
    return known[number]


def _summary(report: ExportReport | VerificationReport) -> dict[str, str]:
    is_plain = report.portability == "plain"
    return {
        "folder": str(report.folder),
        "parameters": figure("num_parameters", report.num_parameters),
        "loads by": "AutoModelForSequenceClassification.from_pretrained(FOLDER"
        + (")" if is_plain else ", trust_remote_code=True)"),
        "verified": f"logits differ by {report.max_difference:.1e}, allowed {report.tolerance:.1e}",
        "files": str(len(report.files)),
    }
