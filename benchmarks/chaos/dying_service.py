"""`python -m benchmarks.chaos.dying_service SETTINGS PORT`: a service killed where the environment says.

Arguments: a file with the settings as JSON, and a file that the port is written to. With DIES=after-commit it
kills itself when a submission is in the database and nobody was answered yet.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from nas.service.server import Listening, Server
from nas.service.settings import load_settings
from storage import Ledger


def main(settings: str, port: str) -> None:
    """Serve until SIGTERM."""
    if os.environ.get("DIES") == "after-commit":
        _die_after(Ledger.submit_job)
    server = Server.of(load_settings(settings), Listening(port=0))
    threading.Thread(target=_tell_port, args=(server, Path(port)), daemon=True).start()
    server.run()


def _die_after(submit: Any) -> None:
    def submit_and_die(ledger: Ledger, *arguments: Any, **options: Any) -> Any:
        submit(ledger, *arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    Ledger.submit_job = submit_and_die  # type: ignore[method-assign]


def _tell_port(server: Server, path: Path) -> None:
    while not server.started:
        time.sleep(0.05)
    part = path.with_suffix(".part")
    part.write_text(str(server.port))
    part.rename(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
