"""The part of the ledger that is about accounts: their tokens and what they use."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from . import tokens
from .account_records import TokenKind, TokenRecord, Usage
from .database import Database
from .submissions import count_open_jobs
from .tables import NAME_LENGTH
from .usage import evaluation_seconds
from .values import is_storable


class AccountLedger:
    """Accounts in one database. Each method is one short transaction, durable when it returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create_token(
        self,
        *,
        id: str,  # noqa: A002  # the word of the record
        account: str,
        scopes: Sequence[str],
        secret_sha256: str,
        kind: TokenKind = "token",
        label: str | None = None,
        lifetime_s: float | None = None,
    ) -> TokenRecord:
        """Stores a token, for ever or for `lifetime_s` seconds by the database's clock.

        May be called again: an equal token is one.

        Raises:
            TokenExistsError: another token has that id.
            ValueError: a field is empty, or is not what it should be.
        """
        new = tokens.NewToken(
            id=id,
            account=account,
            kind=kind,
            scopes=tuple(scopes),
            secret_sha256=secret_sha256,
            label=label,
            lifetime_s=lifetime_s,
        )
        checked = tokens.checked_token(new)
        return self._database.write(
            lambda connection: tokens.create_token(connection, checked), idempotent=True
        )

    def token(self, token_id: str) -> TokenRecord | None:
        """The token of that id, also when it is over; no text is refused, since anybody may send one."""
        if not is_storable(token_id, NAME_LENGTH):
            return None
        return self._database.read(lambda connection: tokens.read_token(connection, token_id))

    def tokens(self) -> list[TokenRecord]:
        """All tokens and sessions, oldest first."""
        return self._database.read(tokens.read_tokens)

    def revoke_token(self, token_id: str) -> TokenRecord:
        """Makes a token invalid for good, once; raises UnknownTokenError."""
        return self._database.write(
            lambda connection: tokens.revoke_token(connection, token_id), idempotent=True
        )

    def sweep_tokens(self) -> int:
        """Deletes sessions that are over or revoked; how many."""
        return self._database.write(tokens.sweep_tokens, idempotent=True)

    def usage(self, account: str) -> Usage:
        """What an account uses."""
        return self._database.read(lambda connection: _usage(connection, account))


def _usage(connection: Connection, account: str) -> Usage:
    return Usage(
        open_jobs=count_open_jobs(connection, account),
        evaluation_seconds=evaluation_seconds(connection, account),
    )
