"""Tokens of accounts: found by their id, valid until they are over or revoked, unknown in their secret."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from storage import Ledger, TokenExistsError, TokenRecord, UnknownTokenError

SHA, OTHER = "ab" * 32, "cd" * 32


@pytest.fixture
def make(ledger: Ledger) -> Callable[..., TokenRecord]:
    """Creates tokens that differ in what is given."""

    def create(token_id: str = "one", **changes: Any) -> TokenRecord:
        fields: dict[str, Any] = {"account": "alice", "scopes": ("read", "search"), "secret_sha256": SHA}
        return ledger.create_token(id=token_id, **(fields | changes))

    return create


@pytest.fixture
def let_time_pass(url: str) -> Callable[[], None]:
    """Moves the end of every token an hour back, as if that time had passed."""

    def expire() -> None:
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("UPDATE nas_token SET expires_at = expires_at - 3600"))
        engine.dispose()

    return expire


def kinds(ledger: Ledger) -> list[str]:
    return [event.kind for event in ledger.events(None)]


def test_a_token_is_found_as_it_was_made(ledger: Ledger, make: Callable[..., TokenRecord]) -> None:
    made = make(label="Größe ☃")
    assert ledger.token("one") == made
    assert (made.account, made.kind, made.scopes) == ("alice", "token", ("read", "search"))
    assert (made.secret_sha256, made.label, made.expires_at, made.revoked_at) == (SHA, "Größe ☃", None, None)
    assert made.is_valid


@pytest.mark.parametrize("unknown", ["two", "", "One", "one\0", "\ud800", "x" * 500, "' OR ''='"])
def test_an_id_that_nobody_has_finds_nothing(
    ledger: Ledger, make: Callable[..., TokenRecord], unknown: str
) -> None:
    make()
    assert ledger.token(unknown) is None


def test_a_session_is_valid_until_its_time_is_over(
    ledger: Ledger, make: Callable[..., TokenRecord], let_time_pass: Callable[[], None]
) -> None:
    made = make(kind="session", lifetime_s=1800.0)
    assert made.expires_at is not None
    assert (made.expires_at - made.created_at).total_seconds() == pytest.approx(1800.0, abs=1.0)
    assert made.is_valid
    let_time_pass()
    found = ledger.token("one")
    assert found is not None
    assert not found.is_valid


def test_a_revoked_token_is_never_valid_again(ledger: Ledger, make: Callable[..., TokenRecord]) -> None:
    make()
    first = ledger.revoke_token("one")
    again = ledger.revoke_token("one")
    assert first.revoked_at is not None
    assert again == first
    assert not again.is_valid
    assert kinds(ledger) == ["token_created", "token_revoked"]
    with pytest.raises(UnknownTokenError, match="'two'"):
        ledger.revoke_token("two")


def test_a_token_that_is_made_again_is_one(ledger: Ledger, make: Callable[..., TokenRecord]) -> None:
    made = make(lifetime_s=60.0)
    assert make(lifetime_s=60.0) == made
    assert kinds(ledger) == ["token_created"]


@pytest.mark.parametrize(
    "other",
    [
        {"secret_sha256": OTHER},
        {"account": "bob"},
        {"scopes": ("read",)},
        {"kind": "session"},
        {"label": "other"},
        {"lifetime_s": 60.0},
    ],
)
def test_another_token_of_the_same_id_is_refused(
    ledger: Ledger, make: Callable[..., TokenRecord], other: dict[str, Any]
) -> None:
    made = make()
    with pytest.raises(TokenExistsError, match="'one' exists"):
        make(**other)
    assert ledger.tokens() == [made]


def test_tokens_are_listed_oldest_first(ledger: Ledger, make: Callable[..., TokenRecord]) -> None:
    made = [make("b"), make("a", kind="session"), make("c", account="bob")]
    assert ledger.tokens() == made


def test_a_sweep_takes_sessions_that_are_over_and_leaves_tokens(
    ledger: Ledger, make: Callable[..., TokenRecord], let_time_pass: Callable[[], None]
) -> None:
    make("old", kind="session", lifetime_s=1800.0)
    make("out", kind="session", lifetime_s=36000.0)
    make("expired", lifetime_s=1800.0)
    make("revoked")
    make("live", kind="session", lifetime_s=36000.0)
    let_time_pass()
    for name in ("out", "revoked"):
        ledger.revoke_token(name)
    assert ledger.sweep_tokens() == 2
    assert [token.id for token in ledger.tokens()] == ["expired", "revoked", "live"]
    assert ledger.sweep_tokens() == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"token_id": ""},
        {"account": ""},
        {"kind": "cookie"},
        {"scopes": ()},
        {"scopes": ("read", "")},
        {"scopes": ("read", "read")},
        {"scopes": ("\0",)},
        {"secret_sha256": "secret"},
        {"secret_sha256": SHA.upper()},
        {"lifetime_s": 0.0},
        {"lifetime_s": float("nan")},
        {"lifetime_s": float("inf")},
        {"label": "x" * 201},
    ],
)
def test_a_token_that_can_not_be_stored_is_refused(
    ledger: Ledger, make: Callable[..., TokenRecord], wrong: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"allowed|empty|NUL"):
        make(**wrong)
    assert ledger.tokens() == []


def test_neither_the_log_nor_an_error_nor_a_record_shows_the_secret(
    ledger: Ledger, make: Callable[..., TokenRecord]
) -> None:
    made = make()
    ledger.revoke_token("one")
    with pytest.raises(ValueError, match="sha256") as refused:
        make("two", secret_sha256="canary")
    shown = [repr(made), str(refused.value), *(str(event.payload) for event in ledger.events(None))]
    assert not any(secret in text for text in shown for secret in (SHA, "canary"))
