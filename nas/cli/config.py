"""`nas init` and `nas config`: writing and checking a config file."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nas.cli.options import ConfigArgument, JsonOption, QuietOption, SetOption
from nas.cli.output import Output, note, note_commands
from nas.errors import ConfigError

if TYPE_CHECKING:
    from nas.config import SearchConfig, TargetSection

app = typer.Typer(name="config", help="Check a config file; print its JSON Schema.", no_args_is_help=True)


def init(
    *,
    template: Annotated[
        Literal["full", "quick"], typer.Option(help="Every key with its default, or a short search.")
    ] = "full",
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")] = Path("nas.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write a commented config file."""
    from nas.config import template as text_of

    try:
        with output.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text_of(template))
    except FileExistsError:
        raise ConfigError(f"{output} exists; give another name by -o, or replace it with --force") from None
    Output().ids([output])
    note("edit it first: the model, the data, the budgets")
    note_commands(
        [shlex.join(["nas", *words, str(output)]) for words in (("config", "check"), ("search", "run"))]
    )


@app.command("check")
def check(
    config: ConfigArgument,
    *,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Validate a config file and show what it resolves to."""
    checked = checked_config(config, overrides or ())
    for problem in missing_files(checked):
        note(problem, label="warning")
    out = Output(as_json=as_json, quiet=quiet)
    if as_json:
        out.json(checked.resolved())
    elif quiet:
        out.ids([checked.name])
    else:
        out.text(f"ok: {config}", style="bold green")
        out.pairs(summary(checked))


@app.command("schema")
def schema() -> None:
    """Print the JSON Schema of the config file."""
    from nas.config import json_schema

    Output().json(json_schema())


def checked_config(path: Path, overrides: list[str] | tuple[str, ...]) -> SearchConfig:
    """A config whose objectives, constraints and metrics are known too.

    Raises:
        ConfigError: anything in it is not allowed.
    """
    from nas.config import load_config
    from nas.metrics import metric
    from nas.objectives import MEASURED_METRICS, parse_constraints, parse_objectives, quality_metrics
    from nas.racing import Racing

    config = load_config(path, overrides=overrides)
    try:
        own = [metric(name).name for name in config.evaluation.metrics]
        objectives = parse_objectives(config.objectives, metrics=own)
        constraints = parse_constraints(config.constraints, metrics=own)
        if config.search.racing is not None:
            racing = Racing(**config.search.racing.model_dump())
            racing.check_metrics(quality_metrics(objectives, constraints))
    except ConfigError as error:
        raise ConfigError(f"config file {path}: {error}") from None
    named = [*(o.metric for o in objectives), *(c.metric for c in constraints)]
    measured = [name for name in named if name in MEASURED_METRICS]
    if measured and config.target is None:
        raise ConfigError(f"config file {path}: {measured[0]} needs a target, but target is null")
    if config.target is not None:
        _check_target(config.target, measured, path)
    return config


def _check_target(section: TargetSection, measured: list[str], path: Path) -> None:
    from nas.evaluation import Target

    try:
        Target(**section.model_dump()).check_metrics(measured)
    except ConfigError as error:
        raise ConfigError(f"config file {path}: {error}") from None


def missing_files(config: SearchConfig) -> list[str]:
    """Data and checkpoints that the config names and that are not there."""
    from nas.config.loading import BUNDLED_DATA

    named = {f"data.{key}": getattr(config.data, key) for key in ("train", "validation", "test")}
    named["supernet.checkpoint"] = config.supernet.checkpoint
    return [
        f"{key}: {value} does not exist"
        for key, value in named.items()
        if value is not None and value != BUNDLED_DATA and not os.path.exists(value)
    ]


def _tokens(target: TargetSection) -> str:
    generated = f" and {target.decode_length} generated" if target.decode_length else ""
    return f"{target.sequence_length} tokens{generated}"


def summary(config: SearchConfig) -> dict[str, str]:
    """A config in a dozen lines."""
    supernet, search, target, workers = config.supernet, config.search, config.target, config.workers
    data = [
        f"{key} {value}" for key in ("train", "validation", "test") if (value := getattr(config.data, key))
    ]
    trained = [
        f"{key} {section.passes} passes"
        for key in ("finetune", "train")
        if (section := getattr(supernet, key)) is not None
    ]
    start = f"from {supernet.checkpoint}" if supernet.checkpoint else f"ranked by {supernet.methods}"
    timeout = "" if search.timeout_s is None else f", at most {search.timeout_s:.0f} s"
    return {
        "study": config.name,
        "model": f"{config.model.id} ({config.model.task})",
        "space": config.space.kind,
        "supernet": ", ".join([start, *trained]),
        "data": ", ".join(data),
        "target": "none"
        if target is None
        else f"{target.name}: {target.backend} on {target.device}, {target.dtype}, "
        f"batch {target.batch_size}, {_tokens(target)}, {target.threads} threads",
        "objectives": ", ".join(config.objectives),
        "constraints": ", ".join(config.constraints) or "none",
        "search": f"{search.sampler}, {search.trials} trials, seed {search.seed}{timeout}",
        "workers": workers.kind if workers.kind == "serial" else f"ray, {workers.address}",
        "storage": config.resolved()["storage"]["url"],
    }
