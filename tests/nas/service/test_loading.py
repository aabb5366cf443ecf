"""Which libraries a service loads, and when."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

#: Says what is loaded when the service listens, and once its threads have ended.
_SERVE = """
import json, sys, threading, time
from nas.service.server import Listening, Server
from nas.service.settings import load_settings

def note():
    seen.append([name for name in ("optuna", "torch", "transformers", "ray") if name in sys.modules])

seen = []
server = Server.of(load_settings(**json.loads(sys.argv[1])), Listening(port=0))
server.on_listening = note
thread = threading.Thread(target=server.run)
thread.start()
while not seen:
    time.sleep(0.02)
server.should_exit = True
thread.join()
for one in threading.enumerate():
    if one.name == "load-optuna":
        one.join()
note()
print(json.dumps(seen))
"""


def test_optuna_is_loaded_once_the_service_listens_and_no_model_library(tmp_path: Path) -> None:
    settings = {
        "storage": {"url": f"sqlite:///{tmp_path / 'nas.db'}", "artifacts": "artifacts"},
        "folder": str(tmp_path),
    }
    command = [sys.executable, "-c", _SERVE, json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == [[], ["optuna"]]
