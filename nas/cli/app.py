"""The commands of `nas`, put together. No command's module loads a heavy library before it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from nas._version import __version__
from nas.cli import (
    compare,
    config,
    database,
    doctor,
    export,
    logs,
    quickstart,
    recover,
    replay,
    report,
    search,
    select,
    serve,
    space,
    targets,
    token,
    trials,
)

_START, _SEARCH, _SERVICE = "Start", "Search", "Service"

app = typer.Typer(
    name="nas",
    help="Neural architecture search for pruned sub-networks of pretrained transformers.",
    epilog="Data goes to standard output; progress and messages to standard error. "
    "Exit codes: 0 ok, 1 failed, 2 usage or config, 3 no sub-network meets the budgets, 4 too many failed, "
    "5 storage or target unreachable, 6 verification failed, 130 interrupted with everything saved.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"nas {__version__}")
        raise typer.Exit


@app.callback()
def options_of_nas(
    verbose: Annotated[bool, typer.Option("--verbose", help="Log everything.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Set up logging; `--debug` is read where errors are reported."""
    del debug, version
    logs.configure(verbose=verbose)


app.command("quickstart", rich_help_panel=_START)(quickstart.quickstart)
app.command("init", rich_help_panel=_START)(config.init)
app.command("doctor", rich_help_panel=_START)(doctor.doctor)
app.add_typer(config.app, rich_help_panel=_START)
app.add_typer(database.app, rich_help_panel=_START)
app.add_typer(space.app, rich_help_panel=_SEARCH)
app.add_typer(search.app, rich_help_panel=_SEARCH)
app.add_typer(trials.app, rich_help_panel=_SEARCH)
app.add_typer(targets.app, rich_help_panel=_SEARCH)
app.command("select", rich_help_panel=_SEARCH)(select.select)
app.command("compare", rich_help_panel=_SEARCH)(compare.compare)
app.command("recover", rich_help_panel=_SEARCH)(recover.recover)
app.command("report", rich_help_panel=_SEARCH)(report.report)
app.command("replay", rich_help_panel=_SEARCH)(replay.replay)
app.command("export", rich_help_panel=_SEARCH)(export.export)
app.command("verify", rich_help_panel=_SEARCH)(export.verify)
app.command("serve", rich_help_panel=_SERVICE)(serve.serve)
app.add_typer(token.app, rich_help_panel=_SERVICE)
