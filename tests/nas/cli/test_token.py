"""`nas token`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def storage(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'nas.db'}"


def test_a_token_is_shown_once(command: Any, storage: str) -> None:
    made = command("token", "create", "alice", "--scope", "search", "--label", "laptop", "--storage", storage)
    assert made.code == 0
    assert made.out.startswith("nas_")
    assert "not shown again" in made.err
    listed = command("token", "ls", "--storage", storage)
    assert made.out.strip().split("_", 2)[2] not in listed.out
    assert "alice" in listed.out
    assert "laptop" in listed.out


def test_scopes_are_read_unless_given(command: Any, storage: str) -> None:
    assert command("token", "create", "alice", "--storage", storage, "--json").json["scopes"] == ["read"]


def test_a_revoked_token_is_listed_as_such(command: Any, storage: str) -> None:
    command("token", "create", "alice", "--storage", storage)
    token_id = command("token", "ls", "-q", "--storage", storage).out.strip()
    assert command("token", "revoke", token_id, "--storage", storage).code == 0
    assert command("token", "ls", "--storage", storage, "--json").json[0]["is_valid"] is False


def test_an_unknown_token_and_scope_are_refused(command: Any, storage: str) -> None:
    assert command("token", "create", "alice", "--scope", "root", "--storage", storage).code == 2
    command("token", "create", "alice", "--storage", storage)
    refused = command("token", "revoke", "0" * 16, "--storage", storage)
    assert refused.code == 2
    assert "nas token ls" in refused.err
