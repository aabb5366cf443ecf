"""A cluster that was started by `ray start` in other processes: joining it, and losing its head."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from workers import HeadLostError, Lane, LaneName, PoolError, RayPool, Task

pytestmark = [pytest.mark.slow, pytest.mark.alone]

_LOGGER = logging.getLogger(__name__)
QUALITY: dict[LaneName, Lane] = {
    "quality": Lane(factory=lambda arrays: lambda payload: payload + 1, num_workers=1)
}


@dataclass(frozen=True)
class Head:
    address: str
    process: subprocess.Popen[bytes]


def drain(pool: RayPool) -> list[object]:
    results = []
    while pool.in_flight:
        results += [completion.result for completion in pool.wait(300)]
    return results


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("token") / "auth_token"
    path.write_text(secrets.token_hex(32))
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def head(token: Path) -> Iterator[Head]:
    """A head node that offers two processors; `ray stop` would end every Ray of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    environment = os.environ | {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
    }
    ray = [sys.executable, "-c", "from ray.scripts.scripts import main; main()"]
    # Ports of workers begin above those that the system hands out, of which the head has got one.
    options = f"start --head --port {port} --num-cpus 2 --include-dashboard false --block"
    options += " --min-worker-port 20000 --max-worker-port 21000"
    log = token.parent / "head.log"
    with log.open("wb") as stream:
        process = subprocess.Popen([*ray, *options.split()], env=environment, stdout=stream, stderr=stream)
    try:
        give_up = time.monotonic() + 120
        while "Ray runtime started" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < give_up, log.read_text()
            time.sleep(0.1)
        address = next(part for part in log.read_text().split("'") if part.endswith(f":{port}"))
        yield Head(address=address, process=process)
    finally:
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        for child in children:
            child.kill()
        process.wait()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_the_right_token_joins_and_the_cluster_outlives_the_pool(
    head: Head, token: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(token))
    results = []
    for _ in range(2):
        with RayPool(address=head.address) as pool:
            pool.start(QUALITY, {})
            pool.submit(Task(number=0, payload=1, lane="quality"))
            results += drain(pool)
    assert results == [2, 2]
    assert head.process.poll() is None


def test_a_wrong_token_is_refused(head: Head, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    with pytest.raises(PoolError, match="RAY_AUTH_TOKEN_PATH names the token it was started with"):
        RayPool(address=head.address).start(QUALITY, {})


def test_a_missing_token_is_refused(head: Head, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    with pytest.raises(PoolError, match="no authentication token was found"):
        RayPool(address=head.address).start(QUALITY, {})


def test_a_lost_head_is_told_before_ray_ends_the_process(
    head: Head, token: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last test of this module: its head is gone afterwards."""
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(token))
    (store,) = (
        child
        for child in psutil.Process(head.process.pid).children(recursive=True)
        if child.name() == "gcs_server"
    )
    lane = Lane(factory=lambda arrays: time.sleep, num_workers=1)
    with RayPool(address=head.address) as pool:
        pool.start({"quality": lane}, {})
        pool.submit(Task(number=0, payload=3600, lane="quality"))
        store.send_signal(signal.SIGKILL)
        killed_at = time.monotonic()
        with pytest.raises(HeadLostError, match="Ray head lost"):
            drain(pool)
        told_s = time.monotonic() - killed_at
    closed_s = time.monotonic() - killed_at
    _LOGGER.info("head lost: told after %.1f s, left after %.1f s", told_s, closed_s)
    assert not pool.worker_ids()
