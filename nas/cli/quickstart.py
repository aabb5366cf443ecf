"""`nas quickstart`: the whole flow on one machine."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nas.cli.errors import resumable
from nas.cli.figures import figure
from nas.cli.options import JsonOption, QuietOption
from nas.cli.output import Output, note_commands
from nas.cli.records import front_record, trial_record

if TYPE_CHECKING:
    from nas.jobs import QuickstartOptions, QuickstartResult


def quickstart(
    *,
    folder: Annotated[Path, typer.Option("--folder", metavar="DIR", help="Where all results go.")] = Path(
        "quickstart"
    ),
    model: Annotated[
        str | None, typer.Option("--model", metavar="DIR", help="Another model than the bundled one.")
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", metavar="FILE", help="Other examples than the bundled ones.")
    ] = None,
    trials: Annotated[int, typer.Option("--trials", min=1, help="Sub-networks to evaluate.")] = 48,
    passes: Annotated[
        int | None, typer.Option("--passes", min=1, help="Training steps in all; fewer is faster and worse.")
    ] = None,
    workers: Annotated[
        Literal["ray", "serial"], typer.Option("--workers", help="Ray on this machine, or this process.")
    ] = "ray",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of every random choice.")] = 0,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Search a real model on this machine: front, picture and an exported folder at the end."""
    from nas import jobs

    out = Output(as_json=as_json, quiet=quiet)
    given: dict[str, Any] = {} if passes is None else {"passes": passes}
    options = jobs.QuickstartOptions(
        folder=folder, model=model, data=data, trials=trials, workers=workers, seed=seed, **given
    )
    with resumable(_command_line(options)):
        result = jobs.run_quickstart(options, show_progress=not quiet)
    with result.study:
        _print(out, result)


def _print(out: Output, result: QuickstartResult) -> None:
    from nas.cli.snapshot import snapshot_of
    from nas.cli.trial_tables import print_front

    snapshot = snapshot_of(result.study)
    if out.as_json:
        out.json({**front_record(snapshot), **_record(result)})
    elif out.quiet:
        out.ids([result.exported])
    else:
        print_front(out, snapshot)
        out.text()
        out.pairs(_facts(result))
        _say_next(result)


def _record(result: QuickstartResult) -> dict[str, Any]:
    return {
        "selected": trial_record(result.selected),
        "test_metrics": result.test_metrics,
        "exported": str(result.exported),
        "pictures": [str(picture) for picture in result.pictures],
        "config": str(result.config),
        "seconds": result.seconds,
    }


def _facts(result: QuickstartResult) -> dict[str, str]:
    metric = result.study.objectives[0].metric
    tested = ", ".join(f"{model} {figure(metric, value)}" for model, value in result.test_metrics.items())
    return {
        "selected": f"trial {result.selected.number}: {result.selected.architecture}",
        f"test {metric}": tested or "no test examples",
        "exported": str(result.exported),
        **{f"picture ({picture.suffix[1:]})": str(picture) for picture in result.pictures},
        "config": str(result.config),
        "took": f"{result.seconds:.0f} s",
    }


def _say_next(result: QuickstartResult) -> None:
    serve = ["nas", "serve", "--folder", str(result.config.parent)]
    search = ["nas", "search", "run", str(result.config), "--set", "search.trials=200"]
    verify = ["nas", "verify", str(result.exported)]
    note_commands([shlex.join(words) for words in (serve, verify, search)])


def _command_line(options: QuickstartOptions) -> list[str]:
    """The same command with every option written out."""
    given = {name: value for name, value in asdict(options).items() if value is not None}
    return [
        "nas",
        "quickstart",
        *(word for name, value in given.items() for word in (f"--{name}", str(value))),
    ]
