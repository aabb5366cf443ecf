"""Accounts as the ledger knows them: by the tokens that act for them and by what they used."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Final, Literal, get_args

TokenKind = Literal["token", "session"]
"""A token that a client keeps, or a browser's session that ends by itself."""

TOKEN_KINDS: Final[tuple[TokenKind, ...]] = get_args(TokenKind)


class AllAccounts(Enum):
    """Type of `ALL`: None already means what belongs to no account."""

    ALL = "all"


ALL: Final = AllAccounts.ALL
"""Every account, and what belongs to none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenRecord:
    """A token of an account; of its secret only the sha256 is known.

    Attributes:
        id: public part of the token, by which it is found.
        scopes: what it allows, as the service names it.
        label: for people.
        is_valid: whether it was neither revoked nor over, by the database's clock at the time of reading.
    """

    id: str
    account: str
    kind: TokenKind
    scopes: tuple[str, ...]
    secret_sha256: str = field(repr=False)
    label: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    is_valid: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What an account uses.

    Attributes:
        open_jobs: jobs that have not ended.
        evaluation_seconds: that all attempts at trials of its studies took.
    """

    open_jobs: int
    evaluation_seconds: float
