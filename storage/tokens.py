"""Tokens: made once, found by their id, revoked and never changed."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, delete, insert, or_, select, update

from .account_records import TOKEN_KINDS, TokenKind, TokenRecord
from .columns import database_clock
from .errors import TokenExistsError, UnknownTokenError
from .events import EventKind, add_event
from .tables import NAME_LENGTH, token
from .values import checked_sha256, stored_text

_COMPUTED = "is_valid"
_COLUMNS = tuple(token.c[field.name] for field in dataclasses.fields(TokenRecord) if field.name != _COMPUTED)
_IS_VALID = and_(
    token.c.revoked_at.is_(None),
    or_(token.c.expires_at.is_(None), token.c.expires_at > database_clock()),
)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class NewToken:
    """A token to be stored; the fields are those of `TokenRecord`."""

    id: str
    account: str
    kind: TokenKind
    scopes: tuple[str, ...]
    secret_sha256: str = dataclasses.field(repr=False)
    label: str | None
    lifetime_s: float | None


def checked_token(new: NewToken) -> NewToken:
    """The token itself.

    Raises:
        ValueError: its id or account is empty, the kind is unknown, it has no scope or one twice, the hash
            is none, or the lifetime is not above 0.
    """
    if not new.id or not new.account:
        raise ValueError(f"token {new.id!r} of account {new.account!r}: neither may be empty")
    if new.kind not in TOKEN_KINDS:
        raise ValueError(f"token of kind {new.kind!r}: allowed are {', '.join(TOKEN_KINDS)}")
    if not new.scopes or not all(new.scopes) or len(set(new.scopes)) < len(new.scopes):
        raise ValueError(f"token with scopes {list(new.scopes)}: allowed are one or more names, each once")
    for scope in new.scopes:
        stored_text(scope, NAME_LENGTH)
    if new.lifetime_s is not None and not 0 < new.lifetime_s < math.inf:
        raise ValueError(f"token with a lifetime of {new.lifetime_s} s: allowed are more than 0, or None")
    checked_sha256(new.secret_sha256)
    return new


def create_token(connection: Connection, new: NewToken) -> TokenRecord:
    """Stores a checked token; an equal one stays as it is.

    Raises:
        TokenExistsError: another one has its id.
    """
    stored = read_token(connection, new.id)
    if stored is not None:
        if _are_equal(stored, new):
            return stored
        raise TokenExistsError(new.id)
    row = dataclasses.asdict(new) | {"scopes": list(new.scopes)}
    lifetime_s = row.pop("lifetime_s")
    row["expires_at"] = None if lifetime_s is None else database_clock() + lifetime_s
    connection.execute(insert(token).values(created_at=database_clock(), **row))
    payload = {"token": new.id, "account": new.account, "kind": new.kind, "scopes": list(new.scopes)}
    add_event(connection, None, EventKind.TOKEN_CREATED, payload)
    return _found(connection, new.id)


def read_token(connection: Connection, token_id: str) -> TokenRecord | None:
    """The token of that id, also when it is over."""
    rows = _read(connection, token.c.id == token_id)
    return rows[0] if rows else None


def read_tokens(connection: Connection) -> list[TokenRecord]:
    """All tokens, oldest first."""
    return _read(connection)


def revoke_token(connection: Connection, token_id: str) -> TokenRecord:
    """Makes a token invalid for good; one that is revoked stays as it is.

    Raises:
        UnknownTokenError: there is none of that id.
    """
    is_wanted = (token.c.id == token_id, token.c.revoked_at.is_(None))
    if connection.execute(update(token).where(*is_wanted).values(revoked_at=database_clock())).rowcount:
        add_event(connection, None, EventKind.TOKEN_REVOKED, {"token": token_id})
    return _found(connection, token_id)


def sweep_tokens(connection: Connection) -> int:
    """Deletes sessions that are over; how many. Tokens stay, so that their ids are never given again."""
    is_over = or_(token.c.expires_at <= database_clock(), token.c.revoked_at.is_not(None))
    return connection.execute(delete(token).where(token.c.kind == "session", is_over)).rowcount


def _found(connection: Connection, token_id: str) -> TokenRecord:
    found = read_token(connection, token_id)
    if found is None:
        raise UnknownTokenError(token_id)
    return found


def _read(connection: Connection, *conditions: ColumnElement[bool]) -> list[TokenRecord]:
    query: Select[Any] = select(*_COLUMNS, _IS_VALID.label(_COMPUTED)).where(*conditions)
    return [_record(row) for row in connection.execute(query.order_by(token.c.created_at, token.c.id))]


def _record(row: Row[Any]) -> TokenRecord:
    values = dict(row._mapping)
    values["scopes"] = tuple(values["scopes"])
    values[_COMPUTED] = bool(values[_COMPUTED])
    return TokenRecord(**values)


def _are_equal(stored: TokenRecord, new: NewToken) -> bool:
    given = dataclasses.asdict(new) | {"scopes": new.scopes}
    has_lifetime = given.pop("lifetime_s") is not None
    is_same = all(getattr(stored, name) == value for name, value in given.items())
    return is_same and (stored.expires_at is not None) == has_lifetime
