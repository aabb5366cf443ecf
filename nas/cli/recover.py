"""`nas recover`: a short training of the best sub-networks, and their new order."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.errors import resumable
from nas.cli.options import (
    DEFAULT_ARTIFACTS,
    DEFAULT_STORAGE,
    ArtifactsOption,
    JsonOption,
    QuietOption,
    SetOption,
    StorageOption,
    StudyArgument,
    WhereOption,
    command,
    require_database,
)
from nas.cli.output import Output, note_commands

if TYPE_CHECKING:
    from nas.study import RecoveryReport


def recover(
    study: StudyArgument,
    *,
    top: Annotated[int | None, typer.Option(help="Sub-networks of the front to train.")] = None,
    passes: Annotated[int | None, typer.Option(help="Forward/backward passes of each.")] = None,
    trainable: Annotated[str | None, typer.Option(metavar="WHAT", help="all, lora or perp.")] = None,
    schedule: Annotated[
        str | None, typer.Option(metavar="HOW", help="one_shot, or interleaved with pruning.")
    ] = None,
    stages: Annotated[int | None, typer.Option(help="Stages of interleaved.")] = None,
    baselines: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="random, scratch: trained at the same cost, separated by commas."),
    ] = None,
    where: WhereOption = None,
    overrides: SetOption = None,
    storage: StorageOption = DEFAULT_STORAGE,
    artifacts: ArtifactsOption = DEFAULT_ARTIFACTS,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train the best sub-networks of a search, measure them again, rank them anew; Ctrl-C loses nothing.

    What is left out is taken from the section `recovery` of the config that the study was run with.
    """
    from nas.cli.records import recoveries_record
    from nas.cli.recovery_tables import print_report

    out = Output(as_json=as_json, quiet=quiet)
    require_database(storage)
    given = {
        "top": top,
        "passes": passes,
        "trainable": trainable,
        "schedule": schedule,
        "stages": stages,
        "baselines": None if baselines is None else _names(baselines),
        "where": where or None,
    }
    sets = [*_overrides(given), *(overrides or ())]
    with resumable(_command_line(study, sets, storage=storage, artifacts=str(artifacts))):
        from nas import jobs

        opened, report = jobs.recover_study(
            study, url=storage, artifacts=artifacts, overrides=sets, show_progress=not quiet
        )
    with opened:
        if as_json:
            out.json(recoveries_record(report))
        elif quiet:
            out.ids([f"{study}@{one.trial}" for one in report.recovered])
        else:
            print_report(out, opened, report)
            _say_next(report, storage, str(artifacts))


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _overrides(given: Mapping[str, Any]) -> list[str]:
    """Options as settings of the config's section; JSON is YAML too."""
    overrides = [f"recovery.{key}={json.dumps(value)}" for key, value in given.items() if value is not None]
    # A number of passes takes the place of a number of examples that the config may have.
    return [*overrides, "recovery.examples=null"] if given["passes"] is not None else overrides


def _command_line(study: str, overrides: Sequence[str], *, storage: str, artifacts: str) -> list[str]:
    import shlex

    sets = [word for override in overrides for word in ("--set", override)]
    return shlex.split(command("recover", study, *sets, storage=storage, artifacts=artifacts))


def _say_next(report: RecoveryReport, storage: str, artifacts: str) -> None:
    best = report.recovered[0].trial
    words = ("export", f"{report.study}@{best}", "-o", f"{report.study}-{best}")
    note_commands([command(*words, storage=storage, artifacts=artifacts)])
