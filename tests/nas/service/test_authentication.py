"""Tokens, sessions, and who is let in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nas.errors import ConfigError
from nas.service import authentication
from nas.service.authentication import Authenticator, FailureCounter, bearer_of, issue_token
from storage import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(f"sqlite:///{tmp_path / 'nas.db'}") as opened:
        yield opened


@pytest.fixture
def authenticator(ledger: Ledger) -> Authenticator:
    return Authenticator(ledger, failures_per_minute=3)


def test_a_token_names_its_account_and_scopes(ledger: Ledger, authenticator: Authenticator) -> None:
    token = issue_token(ledger, "alice", ["read", "export"])
    identity = authenticator.identify(token)
    assert identity is not None
    assert (identity.account, identity.scopes, identity.kind) == ("alice", {"read", "export"}, "token")
    assert identity.may("export")
    assert not identity.may("search")


def test_an_administrator_may_do_everything_and_sees_everybody(
    ledger: Ledger, authenticator: Authenticator
) -> None:
    identity = authenticator.identify(issue_token(ledger, "operator", ["admin"]))
    assert identity is not None
    assert all(identity.may(scope) for scope in authentication.SCOPES)
    assert identity.may_see("alice")
    assert identity.may_see(None)


def test_an_account_sees_its_own_only(ledger: Ledger, authenticator: Authenticator) -> None:
    identity = authenticator.identify(issue_token(ledger, "alice", ["read"]))
    assert identity is not None
    assert identity.may_see("alice")
    assert not identity.may_see("bob")
    assert not identity.may_see(None)


def test_no_secret_is_stored(ledger: Ledger, tmp_path: Path) -> None:
    secret = issue_token(ledger, "alice", ["read"]).split("_", 2)[2]
    ledger.close()
    assert all(secret.encode() not in file.read_bytes() for file in tmp_path.iterdir())


def test_a_wrong_secret_an_unknown_id_and_another_form_are_nobody(
    ledger: Ledger, authenticator: Authenticator
) -> None:
    token = issue_token(ledger, "alice", ["read"])
    last = "A" if token[-1] != "A" else "B"
    for wrong in (
        token[:-1] + last,
        "nas_" + "0" * 16 + token[20:],
        token + "x",
        "",
        "nas__",
        "é" * 64,
        token.upper(),
    ):
        assert authenticator.identify(wrong) is None


def test_a_revoked_token_and_its_sessions_are_over(ledger: Ledger, authenticator: Authenticator) -> None:
    token = issue_token(ledger, "alice", ["read"])
    identity = authenticator.identify(token)
    assert identity is not None
    session = authenticator.start_session(identity)
    assert authenticator.identify(session) is not None
    ledger.revoke_token(identity.token_id)
    assert authenticator.identify(token) is None
    assert authenticator.identify(session) is None


def test_an_ended_session_leaves_its_token(ledger: Ledger, authenticator: Authenticator) -> None:
    token = issue_token(ledger, "alice", ["read"])
    identity = authenticator.identify(token)
    assert identity is not None
    session = authenticator.start_session(identity)
    of_session = authenticator.identify(session)
    assert of_session is not None
    authenticator.end_session(of_session)
    assert authenticator.identify(session) is None
    assert authenticator.remembered(session) is None
    assert authenticator.identify(token) is not None


def test_a_token_ends_with_its_lifetime(ledger: Ledger, authenticator: Authenticator) -> None:
    assert authenticator.identify(issue_token(ledger, "alice", ["read"], lifetime_s=3600)) is not None
    short = issue_token(ledger, "alice", ["read"], lifetime_s=1e-6)
    while authenticator.identify(short) is not None:
        pass  # until the database's clock, which may count milliseconds, goes on


def test_a_right_token_is_remembered_for_a_moment_only(
    ledger: Ledger, authenticator: Authenticator, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = issue_token(ledger, "alice", ["read"])
    assert authenticator.remembered(token) is None
    identity = authenticator.identify(token)
    assert authenticator.remembered(token) == identity
    monkeypatch.setattr(authentication, "REMEMBERED_S", 0.0)
    assert authenticator.remembered(token) is None


@pytest.mark.parametrize("account", ["", "Alice", "-a", "a.b", "a" * 33, "a/b", "ä"])
def test_an_account_is_a_plain_name(ledger: Ledger, account: str) -> None:
    with pytest.raises(ConfigError, match="small letters"):
        issue_token(ledger, account, ["read"])


@pytest.mark.parametrize("scopes", [[], ["write"], ["read", "root"]])
def test_scopes_are_known_ones(ledger: Ledger, scopes: list[str]) -> None:
    with pytest.raises(ConfigError, match="allowed are read, search, export, admin"):
        issue_token(ledger, "alice", scopes)


def test_whoever_guesses_has_to_wait() -> None:
    failures = FailureCounter(3)
    for _ in range(3):
        assert not failures.must_wait("10.0.0.1")
        failures.note("10.0.0.1")
    assert failures.must_wait("10.0.0.1")
    assert not failures.must_wait("10.0.0.2")


@pytest.mark.parametrize(
    ("values", "token"),
    [
        ([b"Bearer abc"], "abc"),
        ([b"bearer abc"], "abc"),
        ([b"Basic abc"], None),
        ([b"Bearer"], None),
        ([b"Bearer "], None),
        ([b""], None),
        ([], None),
        ([b"Bearer abc", b"Bearer abc"], None),
    ],
)
def test_one_bearer_token_is_read(values: list[bytes], token: str | None) -> None:
    assert bearer_of(values) == token
