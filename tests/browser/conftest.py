"""A real Chromium that looks at a real service on the study of a real search."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

REQUIRED = ("CI", "NAS_REQUIRE_BROWSER")
ARGUMENTS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
TIMEOUT_MS = 90_000
#: What the browser says of the one page that it is given without a session.
UNAUTHORISED = "the server responded with a status of 401"


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """Chromium of this machine; a missing one is a failure where a browser is required."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        reason = "no Chromium; install it (Debian: apt-get install chromium), or name it in CHROMIUM"
        if any(os.environ.get(name) for name in REQUIRED):
            pytest.fail(reason)
        pytest.skip(reason)
    return {"executable_path": found, "args": ARGUMENTS.split(), "timeout": TIMEOUT_MS}


@dataclass(frozen=True)
class Served:
    """A running service.

    Attributes:
        link: address that signs in.
        folder: with its database.
    """

    url: str
    link: str
    folder: Path
    ledger: Any


@pytest.fixture(scope="session")
def searched(tiny_files: Path, tiny_search: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the finished study `tiny`; no latency is measured, which takes long on a busy machine."""
    from nas.config import parse_config
    from nas.jobs import run_search

    folder = tmp_path_factory.mktemp("searched")
    search = tiny_search | {
        "model": tiny_search["model"] | {"id": str(tiny_files / "model")},
        "data": tiny_search["data"]
        | {part: str(tiny_files / f"{part}.csv") for part in ("train", "validation")},
        "target": None,
        "objectives": ["min loss", "min num_parameters"],
        "workers": {"kind": "serial"},
        "storage": {"url": f"sqlite:///{folder / 'nas.db'}", "artifacts": str(folder / "artifacts")},
    }
    run_search(parse_config(search)).close()
    return folder


@pytest.fixture(scope="session")
def served(tiny_files: Path, searched: Path) -> Iterator[Served]:
    """A service on the tiny study, in a thread; the link is an administrator's."""
    from nas.service.authentication import issue_token
    from nas.service.server import Listening, Server
    from nas.service.settings import load_settings
    from storage import Ledger

    settings = load_settings(
        storage={"url": f"sqlite:///{searched / 'nas.db'}", "artifacts": "artifacts"},
        folder=str(searched),
        workers={"kind": "serial"},
        models={"tiny-bert": {"path": str(tiny_files / "model")}},
        data={f"tiny-{part}": {"path": str(tiny_files / f"{part}.csv")} for part in ("train", "validation")},
    )
    server = Server.of(settings, Listening(port=0))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    url = f"http://127.0.0.1:{server.port}"
    with Ledger.open(settings.storage.url) as ledger:
        token = issue_token(ledger, "operator", ["admin"])
        yield Served(url, f"{url}/#token={token}", searched, ledger)
    server.should_exit = True
    thread.join()


@dataclass
class Console:
    """What a page complained of.

    Attributes:
        allowed: parts of complaints that a test brings about.
    """

    complaints: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=lambda: [UNAUTHORISED])

    def unexpected(self) -> list[str]:
        """Complaints that are not allowed."""
        return [text for text in self.complaints if not any(part in text for part in self.allowed)]


@pytest.fixture
def console() -> Console:
    """Complaints of the test's page; any that the test did not allow fails it."""
    return Console()


@pytest.fixture
def stranger(page: Any, console: Console) -> Iterator[Any]:
    """A page without a session."""
    from playwright.sync_api import expect

    page.set_default_timeout(TIMEOUT_MS)
    expect.set_options(timeout=TIMEOUT_MS)
    page.on(
        "console",
        lambda message: (
            console.complaints.append(message.text) if message.type in ("error", "warning") else None
        ),
    )
    page.on("pageerror", lambda error: console.complaints.append(str(error)))
    yield page
    assert console.unexpected() == []


@pytest.fixture
def signed_in(stranger: Any, served: Served) -> Any:
    """A page of an administrator's session, on the studies."""
    stranger.goto(served.link)
    stranger.get_by_role("heading", name="Studies").wait_for()
    return stranger
