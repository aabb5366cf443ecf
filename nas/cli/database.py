"""`nas db`: the tables of a database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final, TypeAlias

import typer

from nas.cli.options import (
    DEFAULT_STORAGE,
    STORAGE_VARIABLE,
    JsonOption,
    QuietOption,
    StorageOption,
    StudyArgument,
    open_study,
    require_database,
)
from nas.cli.output import Output, note
from nas.errors import ConfigError, StorageError

app = typer.Typer(name="db", help="Look at the tables of a database, and upgrade them.", no_args_is_help=True)

VERIFICATION_FAILED: Final = 6

UrlArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="URL", envvar=STORAGE_VARIABLE, help="Database URL.")
]


@app.command("upgrade")
def upgrade(url: UrlArgument = DEFAULT_STORAGE, *, as_json: JsonOption = False) -> None:
    """Bring the tables to the revision of this version; make them in an empty database."""
    with storage_errors():
        from storage import upgrade_database

        before, after = upgrade_database(url)
    out = Output(as_json=as_json)
    if as_json:
        out.json({"before": before, "after": after})
        return
    out.ids([after])
    note(
        "the tables were up to date"
        if before == after
        else f"upgraded from {before or 'no tables'} to {after}"
    )


@app.command("current")
def current(url: UrlArgument = DEFAULT_STORAGE, *, as_json: JsonOption = False) -> None:
    """Print the revision of the tables, and whether this version reads it."""
    require_database(url)
    with storage_errors():
        from storage import HEAD_REVISION, current_revision

        found = current_revision(url)
    out = Output(as_json=as_json)
    if as_json:
        out.json({"current": found, "needed": HEAD_REVISION})
        return
    out.ids([found or "none"])
    note(revision_line(found, HEAD_REVISION))


@app.command("check")
def check(
    study: Annotated[str | None, typer.Argument(help="Name of a study; all if not given.")] = None,
    *,
    storage: StorageOption = DEFAULT_STORAGE,
    as_json: JsonOption = False,
) -> None:
    """Check studies against their logs: nothing lost, doubled or changed. Exit code 6 if something is."""
    require_database(storage)
    from nas.study.ledger_errors import translated
    from storage import Ledger

    with translated(), Ledger.open(storage) as ledger:
        studies = ledger.studies() if study is None else [ledger.study(study)]
        found = {one.name: ledger.audit(one.id) for one in studies}
    out = Output(as_json=as_json)
    if as_json:
        out.json(found)
    for name, problems in found.items():
        for problem in problems:
            note(f"{name}: {problem}", label="error")
        if not problems and not as_json:
            out.ids([f"ok: {name}"])
    if any(found.values()):
        raise typer.Exit(VERIFICATION_FAILED)


@app.command("export-optuna")
def export_optuna(
    study: StudyArgument,
    url: Annotated[str, typer.Argument(metavar="URL", help="Database to write to.", show_default=False)],
    *,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="Name of the study there; its own if not given."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an Optuna study of that name.")
    ] = False,
    storage: StorageOption = DEFAULT_STORAGE,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write a study as an Optuna database, for optuna-dashboard and Optuna's tools."""
    from nas.progress import progress_bar

    out = Output(as_json=as_json, quiet=quiet)
    with open_study(study, storage) as opened, progress_bar("export", enabled=out.is_text) as progress:
        count = opened.export_optuna(url, name=name, overwrite=overwrite, progress=progress)
    if as_json:
        out.json({"study": name or study, "trials": count})
        return
    out.ids([name or study])
    if not quiet:
        note(f"{count} trials; read them with optuna.load_study, or optuna-dashboard and the URL")


def revision_line(found: str | None, needed: str) -> str:
    """What a revision means to the user."""
    if found is None:
        return "the database has no tables yet; they are made when it is first used"
    if found == needed:
        return "the tables are up to date"
    if found > needed:
        return f"the tables were written by a newer version (this one reads {needed}): upgrade this package"
    return f"this version needs {needed}: run `nas db upgrade`"


@contextmanager
def storage_errors() -> Iterator[None]:
    """What storage raises as the `NasError` that users know, without loading the study API."""
    from storage import DatabaseUrlError, StorageFault

    try:
        yield
    except DatabaseUrlError as error:
        raise ConfigError(str(error)) from error
    except StorageFault as error:
        raise StorageError(str(error)) from error
