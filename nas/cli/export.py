"""`nas export` and `nas verify`: a sub-network as an ordinary model folder."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

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
from nas.cli.remote import ServerOption
from nas.cli.remote_export import RemoteRequest, export_there
from nas.errors import ConfigError

if TYPE_CHECKING:
    from nas.export import ExportReport, VerificationReport
    from nas.study import Study, Trial

FormatsOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="LIST",
        help="hf (always written), onnx, openvino; separated by commas. The config's unless given.",
        show_default=False,
    ),
]
WeightsOption: TypeAlias = Annotated[
    str,
    typer.Option(metavar="WHICH", help="auto: recovered ones if there are any; or supernet, or recovered."),
]
ShardSizeOption: TypeAlias = Annotated[
    str, typer.Option(metavar="SIZE", help="Weights above it are split over several files.")
]
PushOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--push-to-hub",
        metavar="OWNER/NAME",
        help="Upload the folder to the Hugging Face hub once it is verified.",
        show_default=False,
    ),
]

_TRIAL = re.compile(r"(.+)@([0-9]{1,9})")


def export(
    source: Annotated[
        str,
        typer.Argument(metavar="STUDY[@TRIAL]", help="A trial, or a study with --where.", show_default=False),
    ],
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write.")],
    where: WhereOption = None,
    formats: FormatsOption = None,
    weights: WeightsOption = "auto",
    max_shard_size: ShardSizeOption = "5GB",
    push_to: PushOption = None,
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export.")] = False,
    storage: StorageOption = DEFAULT_STORAGE,
    server: ServerOption = None,
    artifacts: ArtifactsOption = DEFAULT_ARTIFACTS,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write a sub-network as a model folder, proven equal to what was searched."""
    out = Output(as_json=as_json, quiet=quiet)
    name, number = _parsed(source, where)
    if server is not None:
        if push_to is not None or private:
            raise ConfigError("--push-to-hub uploads from this machine; export without --server to do so")
        request = RemoteRequest(
            name=name,
            number=number,
            where=tuple(where or ()),
            formats=None if formats is None else _names(formats),
            weights=weights,
        )
        export_there(out, request, output, server, overwrite=overwrite)
        return
    from nas.export.hub import check_upload, push_to_hub

    if push_to is not None:
        check_upload(push_to)
    elif private:
        raise ConfigError("--private is for an upload; add --push-to-hub OWNER/NAME")
    with open_study(name, storage) as study:  # without weights, so that a wrong trial is told at once
        if number is None:
            trial = study.best(where or (), recovered=weights == "recovered")
        else:
            trial = _trial(study, number)
        study_formats = _stored_formats(study)
    if out.is_text:
        note(f"exporting trial {trial.number}: {trial.architecture}")
    with open_study(name, storage, artifacts=artifacts) as study:
        report = study.export(
            trial.number,
            output,
            weights=weights,
            formats=study_formats if formats is None else _names(formats),
            max_shard_size=max_shard_size,
            overwrite=overwrite,
        )
    address = None if push_to is None else push_to_hub(report.folder, push_to, private=private)
    if as_json:
        out.json({**asdict(report), "uploaded_to": address})
    elif quiet:
        out.ids([report.folder])
    else:
        out.pairs(_summary(report) | ({} if address is None else {"uploaded to": address}))


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


def _names(formats: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in formats.split(",") if name.strip())


def _stored_formats(study: Study) -> tuple[str, ...]:
    """Those of the config that the study was run with; `hf` where it was made in Python."""
    config = study.config or {}
    return tuple(config.get("export", {}).get("formats", ("hf",)))


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
    option = "" if is_plain else ", trust_remote_code=True"
    differences = [f"{report.max_difference:.1e}"]
    differences += [f"{value:.1e} in {name}" for name, value in report.runtime_differences.items()]
    return {
        "folder": str(report.folder),
        "parameters": figure("num_parameters", report.num_parameters),
        "loads by": f"{report.auto_class}.from_pretrained(FOLDER{option})",
        "verified": f"outputs differ by {', '.join(differences)}; allowed {report.tolerance:.1e}",
        "files": str(len(report.files)),
    }
