"""T6: with no network but loopback the service answers, and refuses what names something remote."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow

#: Puts loopback up, starts `nas serve`, and prints what it answers and whether anything else can be reached.
_PROGRAM = """
import fcntl, json, os, socket, struct, subprocess, sys
import httpx2

UP, GET_FLAGS, SET_FLAGS = 0x1, 0x8913, 0x8914
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
    flags = struct.unpack("16sH14x", fcntl.ioctl(control, GET_FLAGS, struct.pack("16sH14x", b"lo", 0)))[1]
    fcntl.ioctl(control, SET_FLAGS, struct.pack("16sH14x", b"lo", flags | UP))
try:
    socket.create_connection(("192.0.2.1", 80), timeout=60)
except OSError as error:
    outside = os.strerror(error.errno)

words = ["-P", "-c", "from nas.cli import main; main()", "serve", "--port", "0", "--config", sys.argv[1]]
service = subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True)
try:
    address, _, token = service.stdout.readline().strip().partition("/#token=")
    with httpx2.Client(base_url=address, headers={"authorization": f"Bearer {token}"}, timeout=120) as client:
        answers = [client.get(path).status_code for path in ("/healthz", "/readyz", "/api/v1/studies", "/")]
        refused = []
        for config in json.loads(sys.argv[2]):
            answer = client.post("/api/v1/jobs", json={"config": config})
            refused.append([answer.status_code, answer.json()["detail"]])
        jobs = client.get("/api/v1/jobs").json()["jobs"]
finally:
    service.terminate()
    service.wait(60)
print(json.dumps({"outside": outside, "answers": answers, "refused": refused, "jobs": jobs}))
"""


@pytest.fixture
def isolated() -> list[str]:
    """The command that runs another one in a network namespace of its own, which has no route."""
    if os.geteuid() != 0:
        pytest.skip("only root makes network namespaces")
    command = [shutil.which("unshare") or "unshare", "-n", "--"]
    if shutil.which("unshare") is None or subprocess.run([*command, "true"], check=False).returncode:
        pytest.skip("unshare -n does not work on this machine")
    return command


def _configs() -> dict[str, dict[str, object]]:
    """Searches by the remote thing that each names."""
    good = {
        "version": 1,
        "name": "mine",
        "model": {"id": "bundled", "task": "sequence-classification"},
        "data": {"validation": "films"},
        "objectives": ["max accuracy", "min num_parameters"],
    }
    models = ("someone/evil-model", "https://evil.example/model", "hf://someone/model")
    data = ("https://evil.example/rows.csv", "s3://bucket/rows.parquet", "//evil.example/rows.csv")
    return {
        **{name: good | {"model": {"id": name, "task": "sequence-classification"}} for name in models},
        **{name: good | {"data": {"validation": name}} for name in data},
    }


def test_without_a_route_the_service_answers_and_refuses_what_is_remote(
    isolated: list[str], tiny_files: Path, tmp_path: Path
) -> None:
    settings = {
        "storage": {"url": f"sqlite:///{tmp_path / 'nas.db'}"},
        "folder": str(tmp_path),
        "data": {"films": {"path": str(tiny_files / "validation.csv")}},
    }
    (tmp_path / "service.yaml").write_text(json.dumps(settings))
    configs = _configs()
    arguments = [str(tmp_path / "service.yaml"), json.dumps([*configs.values()])]
    done = subprocess.run(
        [*isolated, sys.executable, "-P", "-c", _PROGRAM, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["outside"], said["answers"]) == ("Network is unreachable", [200] * 4)
    for name, (status, detail) in zip(configs, said["refused"], strict=True):
        assert (status, name in detail) == (422, True), detail
    assert said["jobs"] == []
