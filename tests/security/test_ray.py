"""T13: no Ray cluster without a token, and no Ray in the service."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from workers import PoolError
from workers.ray_authentication import provide_token, require_token


@pytest.fixture(autouse=True)
def _no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.setenv(name, "")  # so that what the test sets is undone
        monkeypatch.delenv(name)


@pytest.mark.parametrize("mode", ["disabled", "DISABLED", "none", ""])
def test_a_cluster_without_authentication_is_neither_started_nor_joined(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", mode)
    with pytest.raises(PoolError, match="RAY_AUTH_MODE=token"):
        provide_token(tmp_path)
    with pytest.raises(PoolError, match="RAY_AUTH_MODE=token"):
        require_token("head:6379")


def test_a_local_cluster_gets_a_token_that_only_its_owner_can_read(tmp_path: Path) -> None:
    provide_token(tmp_path)
    path = Path(os.environ["RAY_AUTH_TOKEN_PATH"])
    assert (path.parent, stat.S_IMODE(path.stat().st_mode)) == (tmp_path, 0o600)
    assert len(bytes.fromhex(path.read_text())) == 32
    assert os.environ["RAY_AUTH_MODE"] == "token"


@pytest.mark.slow
def test_the_service_never_loads_ray_or_torch(fresh_python: Callable[..., str], tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from starlette.testclient import TestClient\n"
        "from nas.service.application import create_app\n"
        "from nas.service.settings import load_settings\n"
        "app = create_app(load_settings(storage={'url': sys.argv[1]}, folder=sys.argv[2]))\n"
        "with TestClient(app) as client:\n"
        "    assert client.get('/healthz').status_code == 200\n"
        "print({'ray', 'torch', 'transformers'} & set(sys.modules))\n"
    )
    printed = fresh_python(program, f"sqlite:///{tmp_path / 'nas.db'}", str(tmp_path))
    assert printed.strip() == "set()"
