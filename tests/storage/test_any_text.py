"""Whatever text somebody sends is stored to the letter or refused with ValueError, and is never SQL."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from storage import ExportFile, Ledger

SHA = "ab" * 32
COUNT = itertools.count()
HOSTILE = (
    "'; DROP TABLE nas_job; --",
    "' OR ''='",
    '"\\$%s%(a)s:b{}',
    "a\0b",
    "\ud800",
    "é\u202e\U0001f600\ufffe",
    " ",
    "x" * 200,
    "x" * 201,
)


def submitted(ledger: Ledger, **fields: Any) -> Any:
    given: dict[str, Any] = {"kind": "export", "account": "alice", "config": {}, "trials": None, "log": None}
    return ledger.submit_job(fields.pop("study", "rte"), **(given | fields)).job


def token(ledger: Ledger, **fields: Any) -> Any:
    unique = f"token-{next(COUNT)}"
    fields = {"id": unique, "account": "alice", "scopes": ["read"], "secret_sha256": SHA} | fields
    return ledger.token(ledger.create_token(**fields).id)


def of_token(name: str) -> Callable[[Ledger, str], str]:
    def store(ledger: Ledger, given: str) -> str:
        return str(getattr(token(ledger, **{name: given}), name))

    return store


def of_job(name: str) -> Callable[[Ledger, str], str]:
    def store(ledger: Ledger, given: str) -> str:
        job = submitted(ledger, **{name: given})
        if name in {"study", "kind", "account"}:
            condition: dict[str, Any] = {name: given}
            assert job in ledger.jobs(**condition)
        return str(getattr(job, name))

    return store


def key(ledger: Ledger, given: str) -> str:
    first = ledger.submit_job(**_request(given))
    again = ledger.submit_job(**_request(given))
    assert again.is_repeated
    assert again.job == first.job
    return given


def _request(given: str) -> dict[str, Any]:
    fixed: dict[str, Any] = {"study": "rte", "kind": "export", "config": {}, "trials": None, "log": None}
    return fixed | {"account": "alice", "key": given, "request_sha256": SHA}


def config(ledger: Ledger, given: str) -> str:
    stored: dict[str, str] = submitted(ledger, config={given: given}).config
    assert stored == {given: given}
    return stored[given]


def scope(ledger: Ledger, given: str) -> str:
    return str(token(ledger, scopes=[given]).scopes[0])


def account_of_study(ledger: Ledger, given: str) -> str:
    name = f"study-{next(COUNT)}"
    submitted(ledger, study=name, account=given, kind="search")
    study = ledger.create_study(name, spec={}, fingerprint={}, seed=0)
    assert study in ledger.studies(given)
    assert ledger.usage(given).open_jobs >= 1
    return str(study.account)


def file_name(ledger: Ledger, given: str) -> str:
    lease = ledger.claim_job(submitted(ledger).id, owner="host/1")
    ledger.put_export_files(lease, [ExportFile(name=given, sha256=SHA, size_bytes=1)])
    return ledger.export_files(lease.job_id)[0].name


FIELDS: dict[str, Callable[[Ledger, str], str]] = {
    "token id": lambda ledger, given: str(token(ledger, id=given).id),
    "token account": of_token("account"),
    "token label": of_token("label"),
    "token scope": scope,
    "job account": of_job("account"),
    "job kind": of_job("kind"),
    "job study": of_job("study"),
    "job log": of_job("log"),
    "job config": config,
    "idempotency key": key,
    "study account": account_of_study,
    "export file": file_name,
}
MAY_BE_EMPTY = {"token label", "job log", "job config"}
LIMITS = {"job log": 8192, "job config": 10**9}


def is_allowed(field: str, given: str) -> bool:
    is_odd = "\0" in given or any(0xD800 <= ord(sign) < 0xE000 for sign in given)
    return not is_odd and len(given) <= LIMITS.get(field, 200) and (field in MAY_BE_EMPTY or given != "")


def with_examples(test: Any) -> Any:
    for text in HOSTILE:
        test = example(given_text=text)(test)
    return test


@pytest.mark.parametrize("field", FIELDS)
@settings(
    max_examples=12,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(given_text=st.text(st.characters(), max_size=40))
@with_examples
def test_a_text_is_stored_to_the_letter_or_refused(ledger: Ledger, field: str, given_text: str) -> None:
    if is_allowed(field, given_text):
        assert FIELDS[field](ledger, given_text) == given_text
    else:
        with pytest.raises(ValueError, match=r"stored|empty|characters|allowed|without an account|neither"):
            FIELDS[field](ledger, given_text)


@pytest.mark.parametrize("hostile", ["a\0", "\udfff", "x" * 9000])
def test_looking_for_what_can_not_be_stored_is_refused_and_never_a_fault(
    ledger: Ledger, hostile: str
) -> None:
    for look in (
        lambda: ledger.studies(hostile),
        lambda: ledger.jobs(account=hostile),
        lambda: ledger.usage(hostile),
    ):
        with pytest.raises(ValueError, match="can't be stored"):
            look()
