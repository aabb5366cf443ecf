"""Who asks: tokens, sessions of the web page, and what each may do.

A token is `nas_ID_SECRET`: the id is looked up, of the secret only the SHA-256 is stored, and both are
compared in constant time. Whoever guesses learns nothing from the answer, and soon has to wait.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from nas.errors import ConfigError
from storage import Ledger, TokenKind, TokenRecord

SCOPES: Final = ("read", "search", "export", "admin")
SESSION_S: Final = 12 * 3600.0
#: How long a token that was right is not looked up again; one that is revoked works as long.
REMEMBERED_S: Final = 1.0
_MOST_REMEMBERED: Final = 4096
_ACCOUNT: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_TOKEN: Final = re.compile(r"nas_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
_NOBODY: Final = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """Who asks.

    Attributes:
        token_id: the public part of the token.
        account: whom it belongs to.
        scopes: what it may do; `admin` all of it, for every account.
        kind: `token`, or `session` of the web page.
    """

    token_id: str
    account: str
    scopes: frozenset[str]
    kind: str

    @property
    def is_admin(self) -> bool:
        """Whether it sees and does everything."""
        return "admin" in self.scopes

    def may(self, scope: str) -> bool:
        """Whether it has a scope."""
        return self.is_admin or scope in self.scopes

    def may_see(self, account: str | None) -> bool:
        """Whether it sees what belongs to an account; what belongs to none was made on this machine."""
        return self.is_admin or (account is not None and account == self.account)


def issue_token(
    ledger: Ledger,
    account: str,
    scopes: Iterable[str],
    *,
    kind: TokenKind = "token",
    label: str | None = None,
    lifetime_s: float | None = None,
) -> str:
    """Make a token, of which only a hash is kept; its text is never to be had again.

    Raises:
        ConfigError: an account or scope that is not allowed, or no scope.
        StorageFault: the database cannot be used.
    """
    wanted = tuple(dict.fromkeys(scopes))
    if not _ACCOUNT.fullmatch(account):
        raise ConfigError(
            f"account {account[:40]!r}: give up to 32 small letters, digits and hyphens, no hyphen first"
        )
    unknown = [scope for scope in wanted if scope not in SCOPES]
    if unknown or not wanted:
        raise ConfigError(f"scopes {', '.join(unknown) or 'are missing'}: allowed are {', '.join(SCOPES)}")
    token_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    ledger.create_token(
        id=token_id,
        account=account,
        scopes=wanted,
        secret_sha256=_sha256(secret),
        kind=kind,
        label=label,
        lifetime_s=lifetime_s,
    )
    return f"nas_{token_id}_{secret}"


class Authenticator:
    """Tells tokens apart; threads may share it."""

    def __init__(self, ledger: Ledger, *, failures_per_minute: int) -> None:
        self._ledger = ledger
        self._remembered: OrderedDict[str, tuple[float, Identity]] = OrderedDict()
        self._lock = threading.Lock()
        self.failures = FailureCounter(failures_per_minute)

    def remembered(self, text: str) -> Identity | None:
        """Who a token belongs to, if it was right a moment ago; asks no database."""
        with self._lock:
            since, identity = self._remembered.get(_sha256(text), (0.0, None))
        return identity if identity is not None and time.monotonic() - since < REMEMBERED_S else None

    def identify(self, text: str) -> Identity | None:
        """Who a token belongs to; None for one that is wrong, over or revoked.

        Raises:
            StorageFault: the database cannot be read.
        """
        match = _TOKEN.fullmatch(text)
        token_id, secret = match.groups() if match else ("", "")
        record = self._ledger.token(token_id) if match else None
        is_right = hmac.compare_digest(_sha256(secret), _NOBODY if record is None else record.secret_sha256)
        if record is None or not is_right or not self._is_valid(record):
            return None
        identity = Identity(
            token_id=record.id, account=record.account, scopes=frozenset(record.scopes), kind=record.kind
        )
        self._remember(text, identity)
        return identity

    def start_session(self, identity: Identity) -> str:
        """A token for a browser's cookie that lasts half a day, and no longer than the token it came from.

        Raises:
            StorageFault: the database cannot be used.
        """
        return issue_token(
            self._ledger,
            identity.account,
            identity.scopes,
            kind="session",
            label=identity.token_id,
            lifetime_s=SESSION_S,
        )

    def end_session(self, identity: Identity) -> None:
        """Forget a session; tokens stay.

        Raises:
            StorageFault: the database cannot be used.
        """
        if identity.kind == "session":
            self._ledger.revoke_token(identity.token_id)
            with self._lock:
                self._remembered.clear()

    def _is_valid(self, record: TokenRecord) -> bool:
        """Whether it is neither over nor revoked, and neither is the token that a session came from."""
        if not record.is_valid or record.kind != "session":
            return record.is_valid
        parent = self._ledger.token(record.label or "")
        return parent is not None and parent.is_valid

    def _remember(self, text: str, identity: Identity) -> None:
        with self._lock:
            self._remembered[_sha256(text)] = (time.monotonic(), identity)
            self._remembered.move_to_end(_sha256(text))
            while len(self._remembered) > _MOST_REMEMBERED:
                self._remembered.popitem(last=False)


class FailureCounter:
    """Counts wrong tokens by address and minute."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._lock = threading.Lock()

    def note(self, address: str) -> None:
        """One more wrong token."""
        with self._lock:
            since, count = self._current(address)
            self._counts[address] = (since, count + 1)
            while len(self._counts) > _MOST_REMEMBERED:
                self._counts.popitem(last=False)

    def must_wait(self, address: str) -> bool:
        """Whether an address has had its wrong tokens of this minute."""
        with self._lock:
            return self._current(address)[1] >= self._per_minute

    def _current(self, address: str) -> tuple[float, int]:
        now = time.monotonic()
        since, count = self._counts.get(address, (now, 0))
        return (now, 0) if now - since >= 60.0 else (since, count)


def bearer_of(values: Collection[bytes]) -> str | None:
    """The token of the Authorization headers; None unless there is just one, of the form `Bearer TOKEN`."""
    if len(values) != 1:
        return None
    scheme, _, token = next(iter(values)).decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
