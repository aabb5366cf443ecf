"""`nas serve`: the REST API and the web page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from nas.cli.options import STORAGE_VARIABLE
from nas.cli.output import note
from nas.errors import ConfigError

if TYPE_CHECKING:
    from nas.service.server import Listening, Server
    from nas.service.settings import ServiceSettings
    from storage import Ledger

#: The link that `nas serve` prints is good for as long.
LINK_S: Final = 24 * 3600.0
QUICKSTART: Final = "quickstart"
_ACCOUNT: Final = "operator"
_DATABASE: Final = "nas.db"


def serve(
    *,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="0 takes a free one.")] = 8000,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="Service settings: models, data, limits.")
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option("--storage", metavar="URL", envvar=STORAGE_VARIABLE, help="Database URL."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder",
            metavar="DIR",
            help="Of nas.db and artifacts; this one unless given, or that of the quickstart if it is here.",
            show_default=False,
        ),
    ] = None,
    artifacts: Annotated[
        Path | None, typer.Option("--artifacts", metavar="DIR", help="Folder of supernets and exports.")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option("--tls-certificate", metavar="FILE", help="PEM, for TLS.")
    ] = None,
    key: Annotated[Path | None, typer.Option("--tls-key", metavar="FILE", help="Of the certificate.")] = None,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-tls-proxy", help="Another server speaks TLS to the outside.")
    ] = False,
) -> None:
    """Serve REST and the web page; stop it with Ctrl-C, its jobs go on."""
    _require_extra()
    from nas.service.server import Listening, Server, check_listening
    from nas.study.ledger_errors import translated
    from storage import Ledger

    settings = _settings(config, storage, folder, artifacts)
    listening = Listening(
        host=host, port=port, certificate=certificate, key=key, is_behind_tls_proxy=behind_proxy
    )
    with translated(), Ledger.open(settings.storage.url) as ledger:
        check_listening(listening, ledger)
        _run(Server.of(settings, listening), listening, settings, ledger)


def _settings(
    config: Path | None, storage: str | None, folder: Path | None, artifacts: Path | None
) -> ServiceSettings:
    """Settings of a file and of options, which go before it.

    Raises:
        ConfigError: something is not allowed.
    """
    from nas.service.settings import load_settings

    if folder is None and config is None and storage is None:
        folder = _usual_folder()
    given: dict[str, Any] = {}
    if storage is not None:
        given["url"] = storage
    elif folder is not None:
        given["url"] = f"sqlite:///{folder / _DATABASE}"
    if artifacts is not None:
        given["artifacts"] = str(artifacts.absolute())
    changes: dict[str, Any] = {"storage": given} if given else {}
    return load_settings(config, **changes, **({} if folder is None else {"folder": str(folder)}))


def _usual_folder() -> Path | None:
    """The quickstart's folder, where there is one and no database here."""
    folder = Path(QUICKSTART)
    if Path(_DATABASE).exists() or not (folder / _DATABASE).exists():
        return None
    note(f"there is no {_DATABASE} here; serving that of the folder {folder}")
    return folder


def _run(server: Server, listening: Listening, settings: ServiceSettings, ledger: Ledger) -> None:
    """Serve until a signal; say how to get in as soon as it listens.

    Raises:
        ConfigError: the address is taken or not of this machine.
    """
    from nas.config.models import mask_password
    from nas.service.logging import configure_logging

    configure_logging()
    link = _Link(ledger) if listening.is_loopback else None

    def say() -> None:
        address = listening.address.removesuffix(f":{listening.port}") + f":{server.port}"
        note(f"serving {mask_password(settings.storage.url)} at {address}")
        if link is not None:
            typer.echo(f"{address}/#token={link.token}")

    server.on_listening = say
    try:
        server.run()
    except SystemExit as error:  # so uvicorn ends when it cannot listen, having logged why
        raise ConfigError(f"cannot listen on {listening.host} port {listening.port}; is it taken?") from error
    finally:
        if link is not None:
            link.revoke()


class _Link:
    """A token of an administrator for whoever sees this terminal, revoked when the service ends."""

    def __init__(self, ledger: Ledger) -> None:
        from nas.service.authentication import issue_token

        self._ledger = ledger
        self.token = issue_token(
            ledger, _ACCOUNT, ["admin"], label=f"nas serve, process {os.getpid()}", lifetime_s=LINK_S
        )

    def revoke(self) -> None:
        """End it and the sessions that came from it."""
        from storage import StorageFault

        try:
            self._ledger.revoke_token(self.token.split("_")[1])
        except StorageFault as error:
            note(f"the link's token could not be revoked and ends within a day: {error}", label="warning")


def _require_extra() -> None:
    from importlib.util import find_spec

    missing = [name for name in ("fastapi", "uvicorn", "jinja2", "structlog") if find_spec(name) is None]
    if missing:
        raise ConfigError(f'the service needs {", ".join(missing)}: pip install "subnas[serve]"')
