"""The cluster that a pool starts for itself: what it leaves behind, and what it trusts."""

from __future__ import annotations

import os
import signal
import socket
import stat
import threading
import time
from pathlib import Path

import pytest

from workers import Lane, PoolError, RayPool, Task
from workers.launch import LocalResources
from workers.ray_session import RaySession

RESOURCES = LocalResources(num_cpus=1, object_store_bytes=256 * 2**20)


def descendants(pid: int) -> set[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, todo = set(), [pid]
    while todo:
        new = children.get(todo.pop(), [])
        found.update(new)
        todo += new
    return found


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.alone
def test_a_pool_leaves_process_and_machine_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """One cluster for all that can be seen of it, since each takes seconds to start."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    script_folder = tmp_path / "script"
    script_folder.mkdir()
    (script_folder / "workers.py").write_text("raise ImportError('the wrong module')\n")
    (script_folder / "my_metric.py").write_text("def score(): return 0.75\n")
    monkeypatch.chdir(script_folder)
    monkeypatch.syspath_prepend(str(script_folder))
    environment, threads, handler = (
        dict(os.environ),
        set(threading.enumerate()),
        signal.getsignal(signal.SIGTERM),
    )

    def factory(arrays):  # type: ignore[no-untyped-def]
        import my_metric  # type: ignore[import-not-found]

        import workers

        def evaluate(payload: str) -> object:
            if payload == "crash":
                os._exit(1)
            return my_metric.score(), Path(workers.__file__).name

        return evaluate

    others = descendants(os.getpid())  # of earlier tests, such as multiprocessing's tracker of resources
    with RayPool(max_attempts=1) as pool:
        pool.start({"quality": Lane(factory=factory, num_workers=1)}, {})
        token = Path(os.environ["RAY_AUTH_TOKEN_PATH"])
        assert stat.S_IMODE(token.stat().st_mode) == 0o600
        processes = descendants(os.getpid()) - others
        pool.submit(Task(number=0, payload="crash", lane="quality"))
        pool.submit(Task(number=1, payload="evaluate", lane="quality"))
        results = []
        while pool.in_flight:
            results += [completion.result for completion in pool.wait(60)]

    assert results == [None, (0.75, "__init__.py")]
    assert processes
    give_up = time.monotonic() + 20
    while any(map(is_running, processes)) and time.monotonic() < give_up:
        time.sleep(0.05)
    assert not [pid for pid in processes if is_running(pid)]
    assert dict(os.environ) == environment
    assert set(threading.enumerate()) == threads
    assert signal.getsignal(signal.SIGTERM) == handler
    assert not token.parent.exists()
    assert list(home.iterdir()) == []
    assert capfd.readouterr().out == ""


@pytest.mark.slow
@pytest.mark.alone
def test_a_handler_of_the_caller_for_sigterm_stays_in_place() -> None:
    def handler(number: int, frame: object) -> None: ...

    previous = signal.signal(signal.SIGTERM, handler)
    session = RaySession("local")
    try:
        session.open(RESOURCES)
        assert signal.getsignal(signal.SIGTERM) is handler
        session.close()
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        session.close()
        signal.signal(signal.SIGTERM, previous)


@pytest.mark.parametrize("mode", ["disabled", "DISABLED", None])
def test_refuses_to_join_a_cluster_without_token_authentication(
    mode: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    if mode is None:
        monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    else:
        monkeypatch.setenv("RAY_AUTH_MODE", mode)
    environment = dict(os.environ)
    pool = RayPool(address="127.0.0.1:6379")
    with pytest.raises(PoolError, match="RAY_AUTH_MODE=token"):
        pool.start({"quality": Lane(factory=lambda arrays: lambda payload: payload, num_workers=1)}, {})
    assert dict(os.environ) == environment


def test_refuses_a_ray_client_address() -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        RayPool(address="ray://127.0.0.1:10001")


def test_says_at_once_that_nothing_answers_at_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "f" * 64)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    pool = RayPool(address=f"127.0.0.1:{port}")
    with pytest.raises(PoolError, match=f"nothing answers at 127.0.0.1:{port}"):
        pool.start({"quality": Lane(factory=lambda arrays: lambda payload: payload, num_workers=1)}, {})
