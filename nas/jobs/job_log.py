"""The log of a job: one file that its supervisor and its drivers write to."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from nas.errors import NasError

FOLDER: Final = "logs"
_OURS: Final = ("nas", "storage", "workers", "search_spaces")
_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_SECONDS_BETWEEN_LOOKS: Final = 0.3


class LogUnavailableError(NasError, OSError):
    """The log of a job cannot be read here."""


def configure_logging() -> None:
    """Write INFO of this project and WARNING of others to standard error, which is the log."""
    logging.basicConfig(level=logging.WARNING, format=_FORMAT)
    for name in _OURS:
        logging.getLogger(name).setLevel(logging.INFO)


def make_log(study: str, artifacts: str, folder: Path) -> Path:
    """An empty file for the log of a new job, readable by its owner only.

    Args:
        study: begins its name.
        artifacts: folder that `logs` is made beside; of a URL, `folder`.
        folder: working directory of the job.
    """
    beside = folder if "://" in artifacts else (folder / artifacts).absolute().parent
    logs = beside / FOLDER
    logs.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for count in range(1, 1000):
        path = logs / f"{study}-{stamp}{'' if count == 1 else f'-{count}'}.log"
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            continue
        return path
    raise LogUnavailableError(f"too many logs of this second in {logs}; try again")


def last_lines(path: str | Path, count: int) -> list[str]:
    """The last lines of a log that are not empty; none where it cannot be read."""
    try:
        with Path(path).open(encoding="utf-8", errors="replace") as file:
            return list(deque((line.rstrip() for line in file if line.strip()), maxlen=count))
    except OSError:
        return []


def log_text(path: str | Path) -> Iterator[str]:
    """The text of a log, in pieces.

    Raises:
        LogUnavailableError: it is not on this machine.
    """
    return followed(path, lambda: True)


def followed(path: str | Path, is_over: Callable[[], bool]) -> Iterator[str]:
    """The text of a log as it grows, until the job is over and all was read.

    Raises:
        LogUnavailableError: it is not on this machine.
    """
    try:
        file = Path(path).open(encoding="utf-8", errors="replace")  # noqa: SIM115  # closed below
    except OSError as error:
        raise LogUnavailableError(
            f"the log {path} cannot be read here ({error.strerror}); look on the machine that runs the job"
        ) from error
    with file:
        while True:
            was_over = is_over()  # asked before reading, so that the last lines are not missed
            while text := file.read(65536):
                yield text
            if was_over:
                return
            time.sleep(_SECONDS_BETWEEN_LOOKS)
