"""`nas token`: who may use the service, and for what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli.options import DEFAULT_STORAGE, JsonOption, QuietOption, StorageOption
from nas.cli.output import Column, Output, note

if TYPE_CHECKING:
    from storage import TokenRecord

app = typer.Typer(name="token", help="Tokens of the service: who may do what.", no_args_is_help=True)


@app.command("create")
def create(
    account: Annotated[
        str, typer.Argument(metavar="ACCOUNT", help="Whom it belongs to.", show_default=False)
    ],
    *,
    scopes: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            metavar="SCOPE",
            help="read, search, export or admin; may be repeated. read by default.",
        ),
    ] = None,
    label: Annotated[str | None, typer.Option("--label", metavar="TEXT", help="What it is for.")] = None,
    days: Annotated[
        float | None,
        typer.Option("--days", min=0.001, max=36_500, help="How long it is valid; for ever unless given."),
    ] = None,
    storage: StorageOption = DEFAULT_STORAGE,
    as_json: JsonOption = False,
) -> None:
    """Make a token; its text is shown this once, only a hash of it is kept."""
    from nas.service.authentication import issue_token
    from nas.study.ledger_errors import translated
    from storage import Ledger

    lifetime_s = None if days is None else days * 86_400
    with translated(), Ledger.open(storage) as ledger:
        text = issue_token(ledger, account, scopes or ["read"], label=label, lifetime_s=lifetime_s)
    if as_json:
        Output(as_json=True).json({"token": text, "account": account, "scopes": scopes or ["read"]})
        return
    typer.echo(text)
    note("keep it: it is not shown again. Clients read it from NAS_TOKEN")


@app.command("ls")
def list_tokens(
    *,
    storage: StorageOption = DEFAULT_STORAGE,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """List tokens, without what they are secret for."""
    from nas.cli.options import require_database
    from nas.study.ledger_errors import translated
    from storage import Ledger

    require_database(storage)
    with translated(), Ledger.open(storage) as ledger:
        tokens = [token for token in ledger.tokens() if token.kind == "token"]
    out = Output(as_json=as_json, quiet=quiet)
    if as_json:
        out.json([_record(token) for token in tokens])
    elif quiet:
        out.ids([token.id for token in tokens])
    else:
        titles = ("id", "account", "scopes", "state", "created", "label")
        out.table([Column(title=title, align="left") for title in titles], [_row(token) for token in tokens])


@app.command("revoke")
def revoke(
    token_id: Annotated[
        str, typer.Argument(metavar="ID", help="As `nas token ls` shows it.", show_default=False)
    ],
    *,
    storage: StorageOption = DEFAULT_STORAGE,
) -> None:
    """End a token and its sessions, within a second."""
    from nas.cli.options import require_database
    from nas.errors import ConfigError
    from nas.study.ledger_errors import translated
    from storage import Ledger, UnknownTokenError

    require_database(storage)
    with translated(), Ledger.open(storage) as ledger:
        try:
            token = ledger.revoke_token(token_id)
        except UnknownTokenError:
            raise ConfigError(f"no token {token_id!r}; `nas token ls` lists them") from None
    note(f"revoked {token.id} of {token.account}")


def _state(token: TokenRecord) -> str:
    if token.revoked_at is not None:
        return "revoked"
    if not token.is_valid:
        return "over"
    return "valid" if token.expires_at is None else f"until {token.expires_at:%Y-%m-%d %H:%M}"


def _row(token: TokenRecord) -> list[str]:
    created = f"{token.created_at:%Y-%m-%d %H:%M}"
    return [token.id, token.account, ", ".join(token.scopes), _state(token), created, token.label or ""]


def _record(token: TokenRecord) -> dict[str, object]:
    names = ("id", "account", "scopes", "label", "created_at", "expires_at", "revoked_at", "is_valid")
    return {name: getattr(token, name) for name in names}
