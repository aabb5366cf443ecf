"""T12: the database's password and tokens are in no log, answer, command line, worker or Ray session."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

CANARY = "canary5ecret"
URL = f"postgresql+psycopg://nas:{CANARY}@127.0.0.1:1/nas"
ROOT = Path(__file__).resolve().parents[2]

_WORKER = """
import os, sys
from pathlib import Path
from nas.jobs.processes import take_url
from workers import Lane, RayPool, Task

def factory(arrays):
    return lambda payload: dict(os.environ)

assert "canary5ecret" in take_url()
folder = sys.argv[1]
with RayPool() as pool:
    pool.start({"quality": Lane(factory=factory, num_workers=1)}, {})
    pool.submit(Task(number=0, payload=None, lane="quality"))
    results = []
    while pool.in_flight:
        results += [completion.result for completion in pool.wait(60)]
    [environment] = results
    print("ENVIRONMENT", [name for name, value in environment.items() if "canary5ecret" in value])
    print("OFFLINE", environment.get("HF_HUB_OFFLINE"))
    found = [
        str(file) for file in Path(folder).rglob("*")
        if file.is_file() and not file.is_symlink() and b"canary5ecret" in file.read_bytes()
    ]
    print("SESSION", found, sum(1 for _ in Path(folder).rglob("*")) > 5)
"""


@pytest.mark.slow
@pytest.mark.alone
def test_workers_and_the_ray_session_never_see_the_databases_password(
    fresh_python: Callable[..., str], tmp_path: Path
) -> None:
    folder = Path("/tmp") / f"nas-secrets-{os.getpid()}"  # paths of Ray's sockets are short
    folder.mkdir()
    try:
        printed = fresh_python(
            _WORKER,
            str(folder),
            NAS_STORAGE=URL,
            NAS__STORAGE__URL=URL,
            PGPASSWORD=CANARY,
            NAS_TOKEN=f"nas_0_{CANARY}",
            HF_HUB_OFFLINE="1",
            RAY_TMPDIR=str(folder),
        )
    finally:
        subprocess.run(["/bin/rm", "-rf", str(folder)], check=False)
    lines = dict(line.split(" ", 1) for line in printed.splitlines() if line[:3].isupper())
    assert lines == {"ENVIRONMENT": "[]", "OFFLINE": "1", "SESSION": "[] True"}


@pytest.mark.slow
@pytest.mark.parametrize("words", [["serve", "--port", "0"], ["search", "ls"]], ids=" ".join)
def test_a_command_that_cannot_reach_the_database_does_not_tell_its_password(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", "from nas.cli import main; main()", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT), "NAS_STORAGE": URL},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 5, done.stderr
    assert CANARY not in done.stdout + done.stderr


def test_a_job_gets_the_url_by_its_environment_alone_and_no_token(tmp_path: Path) -> None:
    from nas.jobs import processes

    (tmp_path / "shown.py").write_text(
        "import os, pathlib\n"
        "print(pathlib.Path('/proc/self/cmdline').read_bytes().count(b'canary5ecret'),\n"
        "      os.environ.get('NAS_TOKEN'), os.environ['HF_HUB_OFFLINE'],\n"
        "      os.environ['TRANSFORMERS_OFFLINE'], os.environ['RAY_AUTH_MODE'])\n"
    )
    with (tmp_path / "output").open("wb") as output, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path))
        patch.setenv("NAS_TOKEN", "nas_0_canary5ecret")
        patch.setenv("HF_HUB_OFFLINE", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")
        process = processes.start("shown", [1], url=URL, output=output, is_offline=True)
    assert process.wait(60) == 0
    assert (tmp_path / "output").read_text() == "0 None 1 1 token\n"


def test_wrong_tokens_are_not_logged(running: Any) -> None:
    address = f"http://127.0.0.1:{running.port}"
    token = f"nas_{'0' * 16}_{CANARY}{'A' * (43 - len(CANARY))}"
    httpx2.get(f"{address}/api/v1/studies?token={token}", headers={"authorization": f"Bearer {token}"})
    httpx2.post(f"{address}/login", json={"token": token})
    httpx2.get(f"{address}/api/v1/{token}", headers={"authorization": f"Bearer {running.token}"})
    httpx2.get(f"{address}/api/v1/studies", headers={"cookie": f"nas_session={token}"})
    text = running.log.read_text()
    assert "wrong token from 127.0.0.1" in text
    assert CANARY not in text
    assert running.token not in text


@pytest.mark.parametrize("kind", ["search", "export"])
def test_no_answer_about_a_job_names_folders_of_the_machine(
    kind: str, api: Callable[..., Any], service_settings: Any
) -> None:
    client = api("alice")
    number = {"search": 1, "export": 2}[kind]
    for path in (
        f"jobs/{number}",
        f"jobs/{number}/logs",
        f"jobs/{number}/events",
        "jobs",
        "exports",
        "studies",
    ):
        answer = client.get(f"/api/v1/{path}")
        assert answer.status_code == 200, path
        assert service_settings.folder not in answer.text, path


def test_a_database_that_is_away_is_told_without_its_address(
    app: Any, api: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from storage import StorageFault

    client = api("alice")
    assert client.get("/api/v1/studies").status_code == 200

    def away(*args: object, **options: object) -> None:
        raise StorageFault(f"the database {URL} is away")

    monkeypatch.setattr(type(app.state.service.ledger), "study_status", away)
    answer = client.get("/api/v1/studies/alice.tiny")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert CANARY not in answer.text
    assert "postgresql" not in answer.text


@pytest.mark.parametrize(
    "text",
    [
        "cannot load model '/srv/models/bert': no file /srv/models/bert/model.safetensors",
        f"the database {URL} is away",
        "config file /srv/models/a.yaml: line 3",
    ],
)
def test_an_error_is_told_without_folders_and_passwords(text: str) -> None:
    from nas.errors import ConfigError
    from nas.service.problems import problem_of

    problem = problem_of(ConfigError(text))
    assert problem is not None
    assert "/srv/models" not in problem.detail
    assert CANARY not in problem.detail
