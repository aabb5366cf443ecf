"""`nas serve`: which database it serves, and where it refuses to listen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nas.cli import serve
from storage import Ledger


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("NAS_STORAGE", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _make_database(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    Ledger.open(f"sqlite:///{folder / 'nas.db'}").close()


def test_the_quickstart_is_served_where_nothing_else_is(here: Path, capsys: Any) -> None:
    _make_database(here / "quickstart")
    settings = serve._settings(None, None, None, None)
    assert settings.storage.url == "sqlite:///quickstart/nas.db"
    assert settings.artifacts == Path("quickstart/artifacts")
    assert "quickstart" in capsys.readouterr().err


def test_a_database_here_goes_before_the_quickstart(here: Path) -> None:
    _make_database(here / "quickstart")
    _make_database(here)
    settings = serve._settings(None, None, None, None)
    assert (settings.storage.url, settings.artifacts) == ("sqlite:///nas.db", Path("artifacts"))


def test_options_go_before_the_quickstart(here: Path) -> None:
    _make_database(here / "quickstart")
    settings = serve._settings(None, "sqlite:///other.db", None, Path("kept"))
    assert (settings.storage.url, settings.artifacts) == ("sqlite:///other.db", here / "kept")
    assert serve._settings(None, None, Path("mine"), None).storage.url == "sqlite:///mine/nas.db"


def test_a_settings_file_says_what_is_served(here: Path) -> None:
    _make_database(here / "quickstart")
    (here / "service.yaml").write_text("storage: {url: 'sqlite:///served.db'}\n")
    assert serve._settings(Path("service.yaml"), None, None, None).storage.url == "sqlite:///served.db"


def test_the_network_is_refused_without_a_token(command: Any) -> None:
    refused = command("serve", "--host", "0.0.0.0")
    assert refused.code == 2
    assert "nas token create" in refused.err


def test_a_port_that_is_taken_is_told(command: Any) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = command("serve", "--port", taken.getsockname()[1])
    assert refused.code == 2
    assert "is it taken?" in refused.err
