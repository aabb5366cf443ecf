"""Arguments and options that several commands share."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias
from urllib.parse import unquote

import typer

from nas.errors import StorageError

if TYPE_CHECKING:
    from nas.study import Study

DEFAULT_STORAGE: Final = "sqlite:///nas.db"
DEFAULT_ARTIFACTS: Final = Path("artifacts")
STORAGE_VARIABLE: Final = "NAS_STORAGE"

ConfigArgument: TypeAlias = Annotated[
    Path, typer.Argument(metavar="CONFIG", help="Config file, YAML or TOML.", show_default=False)
]
StudyArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="STUDY", help="Name of the study.", show_default=False)
]
SetOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY.KEY=VALUE", help="Set a key of the config; may be repeated."),
]
WhereOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--where", metavar="BUDGET", help='Such as "latency_ms <= 8"; may be repeated.'),
]
StorageOption: TypeAlias = Annotated[
    str, typer.Option("--storage", metavar="URL", envvar=STORAGE_VARIABLE, help="Database URL.")
]
ArtifactsOption: TypeAlias = Annotated[
    Path, typer.Option("--artifacts", metavar="DIR", help="Folder that holds the study's supernet.")
]
JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]
QuietOption: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", help="Print identifiers only.")]


def require_database(url: str) -> None:
    """Refuse an SQLite file that does not exist, which opening it would make.

    Raises:
        StorageError: there is no such file.
    """
    path = sqlite_path(url)
    if path is not None and not path.exists():
        raise StorageError(
            f"there is no database {url}; run a search first, or name one by --storage or {STORAGE_VARIABLE}"
        )


def open_study(name: str, storage: str, *, artifacts: Path | None = None) -> Study:
    """A study of a database, with its supernet if the folder of artifacts is given.

    Raises:
        StorageError: there is no database.
        StudyNotFoundError: there is no study of that name.
    """
    require_database(storage)
    from nas import jobs

    if artifacts is None:
        return jobs.open_study(name, url=storage)
    return jobs.open_study(name, url=storage, artifacts=artifacts, with_supernet=True)


def sqlite_path(url: str) -> Path | None:
    """The file of an SQLite URL; None for another database."""
    scheme, separator, rest = url.partition(":///")
    if not separator or scheme.partition("+")[0] != "sqlite":
        return None
    return Path(unquote(rest.partition("?")[0]))


def command(*words: str, storage: str, artifacts: str | Path | None = None) -> str:
    """A command line to be copied, with the options that it needs to find a study; no password in it."""
    from nas.config.models import mask_password

    options: list[str] = []
    if storage != os.environ.get(STORAGE_VARIABLE, DEFAULT_STORAGE):
        options += ["--storage", mask_password(storage)]
    if artifacts is not None and Path(artifacts) != DEFAULT_ARTIFACTS:
        options += ["--artifacts", str(artifacts)]
    return shlex.join(["nas", *words, *options])
