"""Commands that ask a service instead of a database."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import typer

from nas.errors import ConfigError

if TYPE_CHECKING:
    from nas.client import Client

SERVER_VARIABLE: Final = "NAS_SERVER"
#: How long a command waits for a service that is away, in seconds; who follows a job has more patience.
_PATIENCE_S: Final = 10.0
_GIVEN: Final = "COMMANDLINE"


def _chosen(context: typer.Context, server: str | None) -> str | None:
    """The service, unless the command line names a database.

    Raises:
        ConfigError: it names both.
    """
    if server is None or not _is_given(context, "storage"):
        return server or None
    if _is_given(context, "server"):
        raise ConfigError(
            "--storage is a database and --server a service that has its own; give one of the two"
        )
    return None


def _is_given(context: typer.Context, option: str) -> bool:
    source = context.get_parameter_source(option)
    return source is not None and source.name == _GIVEN


ServerOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="URL",
        envvar=SERVER_VARIABLE,
        callback=_chosen,
        help="Ask a service of `nas serve` in place of a database; its token is NAS_TOKEN.",
        show_default=False,
    ),
]


@contextmanager
def connected(server: str) -> Iterator[Client]:
    """A service.

    Raises:
        ConfigError: no URL, a token that would travel unencrypted, or httpx2 is not installed.
    """
    try:
        from nas.client import Client
    except ModuleNotFoundError as error:
        raise ConfigError(f'--server needs {error.name}: pip install "subnas[client]"') from None
    with Client(server, patience_s=_PATIENCE_S) as client:
        yield client


def remote_command(*words: str, server: str) -> str:
    """A command line to be copied, with the service that it asks."""
    options = [] if server == os.environ.get(SERVER_VARIABLE) else ["--server", server]
    return shlex.join(["nas", *words, *options])
