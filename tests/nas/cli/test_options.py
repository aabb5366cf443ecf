from __future__ import annotations

from pathlib import Path

import pytest

from nas.cli.options import DEFAULT_STORAGE, command, sqlite_path


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///nas.db", Path("nas.db")),
        ("sqlite:////tmp/nas.db", Path("/tmp/nas.db")),
        ("sqlite+pysqlite:///a%20b.db?timeout=3", Path("a b.db")),
        ("postgresql://host/db", None),
        ("postgresql:///db", None),
        ("nonsense", None),
    ],
)
def test_the_file_of_an_sqlite_url(url, path):
    assert sqlite_path(url) == path


def test_a_command_names_only_what_differs_from_the_defaults(monkeypatch):
    monkeypatch.delenv("NAS_STORAGE", raising=False)
    assert command("select", "a b", storage=DEFAULT_STORAGE) == "nas select 'a b'"
    assert (
        command("x", storage="sqlite:///o.db", artifacts="out")
        == "nas x --storage sqlite:///o.db --artifacts out"
    )


def test_a_command_shows_no_password(monkeypatch):
    monkeypatch.delenv("NAS_STORAGE", raising=False)
    assert "secret" not in command("x", storage="postgresql://me:secret@host/db")


def test_a_storage_of_the_environment_needs_no_option(monkeypatch):
    monkeypatch.setenv("NAS_STORAGE", "sqlite:///o.db")
    assert command("x", storage="sqlite:///o.db") == "nas x"
    assert command("x", storage=DEFAULT_STORAGE) == f"nas x --storage {DEFAULT_STORAGE}"
