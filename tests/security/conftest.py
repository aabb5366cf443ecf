"""A service with the work of two accounts, and the list of its routes."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: Text that must stay text wherever it is shown.
PAYLOADS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "'><a href='javascript:alert(1)'>x</a>",
    "</textarea></title></style></script><iframe src=//evil.example>",
    "{{7*7}}${7*7}<%= 7*7 %>",
    "<!--<script>-->",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
)
EVIL_NAME = "evil \"'><img src=x onerror=alert(1)>"
PAYLOAD = f"a-poisoned-text {' '.join(PAYLOADS)}"
CONTENT = b'{"model_type": "bert"}'
#: What a place holder in a path stands for where everything is right.
EXAMPLES = {"study": "alice.tiny", "number": "0", "name": "nothing", "job_id": "1", "export_id": "2"}


@dataclass(frozen=True, kw_only=True)
class Address:
    """A method of a route, with a path that would be right for alice."""

    method: str
    template: str
    path: str
    query: tuple[str, ...]


@pytest.fixture(scope="session")
def fresh_python() -> Callable[..., str]:
    """Run a program in a fresh interpreter and return what it printed."""

    def run(program: str, *arguments: str, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-P", "-c", program, *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def tiny_study(
    tiny_files: Path, tiny_search: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with the database of a real search, without latencies: measuring takes time."""
    from nas.config import parse_config
    from nas.jobs import run_search

    folder = tmp_path_factory.mktemp("study")
    data = {part: str(tiny_files / f"{part}.csv") for part in ("train", "validation")}
    search = tiny_search | {
        "model": tiny_search["model"] | {"id": str(tiny_files / "model")},
        "supernet": {"calibration": 16},
        "data": tiny_search["data"] | data,
        "target": None,
        "objectives": ["max accuracy", "min num_parameters"],
        "search": {"trials": 8},
        "workers": {"kind": "serial"},
        "storage": {"url": f"sqlite:///{folder / 'nas.db'}", "artifacts": str(folder / "artifacts")},
    }
    run_search(parse_config(search)).close()
    return folder


@pytest.fixture(scope="session")
def service_settings(
    settings_in: Callable[..., Any], tiny_study: Path, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """Settings of a service where alice has a study, a search and an export, all of them over."""
    folder = shutil.copytree(tiny_study, tmp_path_factory.mktemp("service") / "folder")
    settings = settings_in(folder)
    _give_to_alice(settings.storage.url, folder)
    return settings


def _give_to_alice(url: str, folder: Path) -> None:
    from storage import ExportFile, JobState, Ledger

    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        _poison(connection)
    log = folder / "logs" / "job.log"
    log.parent.mkdir(exist_ok=True)
    log.write_text(f"a line of the log\n{PAYLOAD}\n")
    export = {"study": "alice.tiny", "trial": 0, "artifacts": "artifacts", "folder": str(folder)}
    configs: dict[str, dict[str, Any]] = {"search": {"folder": str(folder)}, "export": export}
    with Ledger.open(url) as ledger:
        for kind, config in configs.items():
            job = ledger.submit_job(
                "alice.tiny", kind=kind, config=config, trials=8, account="alice", log=str(log)
            ).job
            lease = ledger.claim_job(job.id, owner="test", seconds=60)
            if kind == "export":
                path = folder / "artifacts" / "exports" / str(job.id) / "config.json"
                path.parent.mkdir(parents=True)
                path.write_bytes(CONTENT)
                digest = hashlib.sha256(CONTENT).hexdigest()
                file = ExportFile(name="config.json", sha256=digest, size_bytes=len(CONTENT))
                ledger.put_export_files(lease, [file])
            ledger.set_job_state(lease, JobState.COMPLETED, reason=PAYLOAD)
            ledger.release_job(lease)


def _poison(connection: sqlite3.Connection) -> None:
    """Give the study to alice, put payloads into all of its texts, and add a study whose name is one."""
    spec = json.loads(connection.execute("SELECT spec FROM nas_study").fetchone()[0])
    spec["supernet"] |= {"source": PAYLOAD}
    connection.execute(
        "UPDATE nas_study SET name = 'alice.tiny', account = 'alice', reason = ?, spec = ?",
        (PAYLOAD, json.dumps(spec)),
    )
    connection.execute("UPDATE nas_trial SET reason = ?", (PAYLOAD,))
    columns = [row[1] for row in connection.execute("PRAGMA table_info(nas_study)")]
    changed = {"id": "99", "name": "?", "account": "NULL", "next_number": "0", "told_count": "0"}
    values = ", ".join(changed.get(name, name) for name in columns)
    connection.execute(
        f"INSERT INTO nas_study ({', '.join(columns)}) SELECT {values} FROM nas_study", (EVIL_NAME,)
    )


@pytest.fixture(scope="session")
def app(service_settings: Any) -> Iterator[Any]:
    """The running service."""
    from starlette.testclient import TestClient

    from nas.service.application import create_app

    application = create_app(service_settings)
    with TestClient(application):
        yield application


@pytest.fixture(scope="session")
def api(app: Any) -> Callable[..., Any]:
    """Make a client of the service with a token of an account; `token` is its text."""
    from starlette.testclient import TestClient

    from nas.service.authentication import issue_token

    def client(account: str = "alice", scopes: tuple[str, ...] = ("read", "search", "export")) -> Any:
        token = issue_token(app.state.service.ledger, account, scopes)
        made: Any = TestClient(
            app, raise_server_exceptions=False, headers={"Authorization": f"Bearer {token}"}
        )
        made.token = token
        return made

    return client


@pytest.fixture(scope="session")
def addresses(app: Any) -> list[Address]:
    """Every method of every route of the service."""
    from fastapi.routing import iter_route_contexts

    found = []
    for route in iter_route_contexts(app.routes):
        for method in sorted(route.methods or ()):
            path = route.path.format(**EXAMPLES)
            query = tuple(parameter.alias for parameter in route.dependant.query_params)
            found.append(Address(method=method, template=route.path, path=path, query=query))
    assert len(found) > 40
    return found


@pytest.fixture(scope="session")
def payloads() -> tuple[str, ...]:
    """Texts that would run where they are taken for HTML; all of them are in the texts of the study."""
    return PAYLOADS


@pytest.fixture(scope="session")
def evil_name() -> str:
    """Name of a study of nobody's, which administrators see."""
    return EVIL_NAME


@dataclass(frozen=True, kw_only=True)
class Running:
    """A service of `nas serve` in a process of its own.

    Attributes:
        token: of an administrator.
        log: what it wrote to standard error.
    """

    process: subprocess.Popen[str]
    port: int
    token: str
    log: Path

    def peak_bytes(self) -> int:
        """The most memory that it ever had."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(next(line for line in text.splitlines() if line.startswith("VmHWM")).split()[1])


@pytest.fixture(scope="session")
def most_files() -> Iterator[int]:
    """How many files this process, and each that it starts, may open: as many as the machine allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield sys.maxsize if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory, most_files: int) -> Iterator[Running]:
    """An empty service, which waits 3 s for heads and bodies."""
    folder = tmp_path_factory.mktemp("running")
    settings = folder / "service.yaml"
    settings.write_text(
        f"storage: {{url: 'sqlite:///{folder / 'nas.db'}'}}\nfolder: '{folder}'\n"
        "limits: {header_timeout_s: 3, body_timeout_s: 3}\n"
    )
    words = [
        "-P",
        "-c",
        "from nas.cli import main; main()",
        "serve",
        "--port",
        "0",
        "--config",
        str(settings),
    ]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, *words],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdout is not None
    address, _, token = process.stdout.readline().strip().partition("/#token=")
    assert token, (folder / "log").read_text()
    port = int(address.rpartition(":")[2])
    yield Running(process=process, port=port, token=token, log=folder / "log")
    process.terminate()
    process.wait(60)
    process.stdout.close()
