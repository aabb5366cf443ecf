"""T2: nothing about a token can be learnt by guessing, or from what is stored."""

from __future__ import annotations

import ast
import gc
import hmac
import inspect
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from nas.service import authentication
from nas.service.authentication import Authenticator, issue_token
from storage import Ledger

GUESSES = 10_000
#: Below it a difference between the guesses would be called real.
SIGNIFICANT = 0.01


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(f"sqlite:///{tmp_path / 'nas.db'}") as opened:
        yield opened


def test_a_token_has_256_random_bits_and_only_their_hash_is_kept(ledger: Ledger, tmp_path: Path) -> None:
    token = issue_token(ledger, "alice", ["read"])
    found = re.fullmatch(r"nas_([0-9a-f]{16})_([A-Za-z0-9_-]{43})", token)
    assert found is not None
    record = ledger.token(found[1])
    assert record is not None
    assert re.fullmatch(r"[0-9a-f]{64}", record.secret_sha256)
    ledger.close()
    assert all(found[2].encode() not in file.read_bytes() for file in tmp_path.iterdir())


def test_secrets_are_compared_in_constant_time(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[str, str]] = []
    real = hmac.compare_digest

    def noted(one: str, other: str) -> bool:
        compared.append((one, other))
        return real(one, other)

    monkeypatch.setattr(authentication.hmac, "compare_digest", noted)
    token = issue_token(ledger, "alice", ["read"])
    authenticator = Authenticator(ledger, failures_per_minute=100)
    for guess in (token, token[:-1] + ("A" if token[-1] != "A" else "B"), "nas_" + "0" * 16 + token[20:]):
        authenticator.identify(guess)
    assert [one == other for one, other in compared] == [True, False, False]
    assert all(len(one) == len(other) == 64 for one, other in compared)


def test_no_secret_is_compared_by_an_operator() -> None:
    tree = ast.parse(inspect.getsource(authentication))
    compared = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Compare)]
    assert not [text for text in compared if "secret" in text or "sha256" in text]


@pytest.fixture
def guesses(ledger: Ledger) -> tuple[Authenticator, dict[bool, list[str]]]:
    """Wrong tokens, by whether their hash begins like the right one's, and who is to refuse them."""
    token_id = issue_token(ledger, "alice", ["read"])[4:20]
    record = ledger.token(token_id)
    assert record is not None
    made: dict[bool, list[str]] = {True: [], False: []}
    while min(map(len, made.values())) < GUESSES // 2:
        secret = secrets.token_urlsafe(32)
        begins_alike = authentication._sha256(secret)[0] == record.secret_sha256[0]
        if len(made[begins_alike]) < GUESSES // 2:
            made[begins_alike].append(f"nas_{token_id}_{secret}")
    return Authenticator(_Remembering(record), failures_per_minute=1), made  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.alone
def test_the_time_of_a_refusal_does_not_tell_how_much_was_right(
    guesses: tuple[Authenticator, dict[bool, list[str]]],
) -> None:
    # By chance alone one of three comparisons is below the bound in three runs of a hundred, all in one of
    # a million.
    assert max(_p_value(*guesses) for _ in range(3)) > SIGNIFICANT


@pytest.mark.slow
@pytest.mark.alone
def test_a_comparison_that_stops_at_the_first_difference_would_be_found(
    guesses: tuple[Authenticator, dict[bool, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def leaking(one: str, other: str) -> bool:
        for mine, theirs in zip(one, other, strict=True):
            if mine != theirs:
                return False
            sum(range(300))
        return True

    monkeypatch.setattr(authentication.hmac, "compare_digest", leaking)
    assert min(_p_value(*guesses) for _ in range(3)) < SIGNIFICANT


class _Remembering:
    """A ledger whose answer takes no time, so that only the comparison is timed."""

    def __init__(self, record: object) -> None:
        self._record = record

    def token(self, token_id: str) -> object:
        return self._record


def _p_value(authenticator: Authenticator, guesses: dict[bool, list[str]]) -> float:
    """Of the hypothesis that both kinds of guesses take the same time (Mann-Whitney)."""
    from scipy.stats import mannwhitneyu

    order: list[tuple[bool, str]] = []
    for alike, other in zip(guesses[True], guesses[False], strict=True):
        pair = [(True, alike), (False, other)]
        order += pair if secrets.randbits(1) else pair[::-1]
    # Nothing but the guess may differ: fresh copies lie in memory in the order of their use, and no line of
    # the loop depends on the kind, which alone shifts times by 10 ns.
    texts = ["".join([guess[:20], guess[20:]]) for _, guess in order]
    times = [0] * len(texts)
    gc.disable()
    try:
        for index, text in enumerate(texts):
            begin = time.perf_counter_ns()
            authenticator.identify(text)
            times[index] = time.perf_counter_ns() - begin
    finally:
        gc.enable()
    is_alike, taken = np.array([kind for kind, _ in order]), np.array(times)
    return float(mannwhitneyu(taken[is_alike], taken[~is_alike]).pvalue)
