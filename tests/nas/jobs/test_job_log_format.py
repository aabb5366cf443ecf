"""The log of a job as JSON."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from nas.errors import ConfigError
from nas.jobs.job_log import JsonLines, log_format, name_study


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the handler of job 7 writes while the root logger has it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines(7))
    logging.getLogger().addHandler(handler)
    yield stream
    logging.getLogger().removeHandler(handler)


def test_a_line_has_the_job_and_once_known_the_study(log: io.StringIO) -> None:
    logger = logging.getLogger("nas.jobs.driver")
    logger.warning("driver %d started", 3)
    name_study("rte")
    logger.warning("it ended")
    first, second = map(json.loads, log.getvalue().splitlines())
    assert (first["event"], first["level"], first["logger"]) == (
        "driver 3 started",
        "warning",
        "nas.jobs.driver",
    )
    assert (first["job"], first.get("study")) == (7, None)
    assert (second["job"], second["study"]) == (7, "rte")


def test_a_traceback_stays_within_its_line(log: io.StringIO) -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logging.getLogger("nas.jobs").exception("it failed")
    (line,) = log.getvalue().splitlines()
    assert "ValueError: two\nlines" in json.loads(line)["exception"]


def test_a_format_that_there_is_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_LOG_FORMAT", "xml")
    with pytest.raises(ConfigError, match=r"'xml': allowed are text, json"):
        log_format()
