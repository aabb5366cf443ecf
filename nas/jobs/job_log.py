"""The log of a job: one file that its supervisor and its drivers write to."""

from __future__ import annotations

import json
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from nas.errors import ConfigError, NasError

FOLDER: Final = "logs"
#: `text`, the default, or `json`: one object a line, with the job and its study.
FORMAT_VARIABLE: Final = "NAS_LOG_FORMAT"
FORMATS: Final = ("text", "json")
_OURS: Final = ("nas", "storage", "workers", "search_spaces")
_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_SECONDS_BETWEEN_LOOKS: Final = 0.3


class LogUnavailableError(NasError, OSError):
    """The log of a job cannot be read here."""


class JsonLines(logging.Formatter):
    """Log records as JSON, one a line, under the keys of the service's own log.

    Args:
        job: number of the job, part of every line.
    """

    def __init__(self, job: int | None = None) -> None:
        super().__init__()
        self._fields: dict[str, object] = {} if job is None else {"job": job}

    def name_study(self, study: str) -> None:
        """Put the name of a study into every later line."""
        self._fields["study"] = study

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON."""
        line: dict[str, object] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **self._fields,
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure_logging(*, job: int | None = None) -> None:
    """Write INFO of this project and WARNING of others to standard error, which is the log.

    Raises:
        ConfigError: the environment asks for a format that there is not.
    """
    handler = logging.StreamHandler()
    is_json = log_format() == "json"
    handler.setFormatter(JsonLines(job) if is_json else logging.Formatter(_FORMAT))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for name in _OURS:
        logging.getLogger(name).setLevel(logging.INFO)


def log_format() -> str | None:
    """The format that the environment asks for, if any.

    Raises:
        ConfigError: it is not one of `FORMATS`.
    """
    found = os.environ.get(FORMAT_VARIABLE)
    if found and found not in FORMATS:
        raise ConfigError(f"{FORMAT_VARIABLE} is {found!r}: allowed are {', '.join(FORMATS)}, or unset it")
    return found or None


def name_study(study: str) -> None:
    """Put the name of a study into every later line of a structured log; a log of text stays as it is."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, JsonLines):
            handler.formatter.name_study(study)


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
