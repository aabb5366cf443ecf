"""A process that has loaded everything and forks drivers, so that killing a hundred of them takes seconds.

Reads one JSON object a line: {"start": {...}} forks a driver and answers its process number, {"wait": pid}
answers how it ended, or null while it runs.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from typing import Any

import torch

import nas
from benchmarks.chaos.oracle import Oracle
from nas.study import session

_BUSY = "is held by"


def drive(settings: dict[str, Any]) -> None:
    """One driver: search until the total is reached, waiting while another one holds the study."""
    session.LEASE_SECONDS = settings.pop("lease_s", 0.5)  # type: ignore[misc]  # a faster campaign
    oracle = Oracle(log=settings.pop("log"), seconds=settings.pop("seconds", 0.003))
    total, supernet = settings.pop("total"), nas.Supernet.load(settings.pop("supernet"))
    waits = settings.pop("waits", True)
    while True:
        try:
            with nas.create_study(supernet=supernet, load_if_exists=True, **settings) as study:
                study.optimize(oracle, total, max_failed=10_000)
            return
        except nas.StorageError as error:
            if not waits or _BUSY not in str(error):
                raise
            time.sleep(0.02)


def export(settings: dict[str, Any]) -> None:
    """Export the full model of a study to a folder."""
    supernet = nas.Supernet.load(settings["supernet"])
    with nas.load_study(settings["name"], storage=settings["storage"], supernet=supernet) as study:
        study.export(0, settings["folder"])


def _started(settings: dict[str, Any]) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.dup2(os.open(settings.pop("errors"), os.O_WRONLY | os.O_APPEND | os.O_CREAT), 2)
        _ACTIONS[settings.pop("action", "drive")](settings)
        code = 0
    except nas.StorageError:
        traceback.print_exc()
        code = 75
    except BaseException:  # noqa: BLE001  # a fork must end here, whatever it is
        traceback.print_exc()
    os._exit(code)


def _ending(pid: int) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    return None if found == 0 else os.waitstatus_to_exitcode(status)


_ACTIONS = {"drive": drive, "export": export}


def main() -> None:
    """Serve until standard input ends."""
    torch.set_num_threads(1)
    nas.Supernet.load(sys.argv[1])  # imports what drivers need
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        answer = _started(order["start"]) if "start" in order else _ending(order["wait"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
