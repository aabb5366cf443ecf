"""The service's log: one event a line, JSON where nobody watches, without a secret.

Loggers of this project, of uvicorn and of libraries all end up here, under the keys that the logs of jobs
have too. What a request carried beside its route is never logged: no query, no header, no body.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from typing import IO, Any, Final

import structlog
from structlog.typing import EventDict, Processor

from nas.jobs.job_log import log_format

#: Fields that our own lines carry beside their text.
FIELDS: Final = ("method", "route", "status", "duration_ms", "account", "study", "trial", "job")
_OURS: Final = ("nas", "storage", "workers", "search_spaces")
#: Uvicorn's access log has paths with their queries; ours has routes.
_SILENCED: Final = ("uvicorn.access",)
_SECRETS: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"\bnas_[0-9A-Za-z]+_[0-9A-Za-z_-]{16,}"), "nas_***"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[^\s\"',;]+"), r"\1 ***"),
    (re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^/\s:@]*):[^/\s]*@"), r"\1:***@"),
    (re.compile(r"(?i)\b(password|passwd|secret|token)(\s*[=:]\s*)[^\s,;&\"']+"), r"\1\2***"),
)
#: What every secret has; most texts have nothing of it, and one look is faster than four.
_SUSPICIOUS: Final = re.compile(r"(?i)nas_|bearer|basic|://|passw|secret|token")


def configure_logging(
    *, as_json: bool | None = None, level: int = logging.INFO, stream: IO[str] | None = None
) -> None:
    """Send every log line of this process to standard error.

    Args:
        as_json: JSON rather than columns; by NAS_LOG_FORMAT if None, else JSON unless it is a terminal.
        level: of this project's own lines; of others warnings only.
        stream: standard error if None.

    Raises:
        ConfigError: NAS_LOG_FORMAT names a format that there is not.
    """
    out = sys.stderr if stream is None else stream
    if as_json is None:
        wanted = log_format()
        as_json = not out.isatty() if wanted is None else wanted == "json"
    handler = logging.StreamHandler(out)
    handler.setFormatter(_formatter(as_json=as_json))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    for name in (*_OURS, "uvicorn.error"):
        logging.getLogger(name).setLevel(level)
    for name in _SILENCED:
        logging.getLogger(name).disabled = True


def without_secrets(text: str) -> str:
    """A text with tokens, passwords and authorizations made unreadable."""
    if _SUSPICIOUS.search(text) is None:
        return text
    for pattern, put in _SECRETS:
        text = pattern.sub(put, text)
    return text


def hide_secrets(logger: object, method: str, event: EventDict) -> EventDict:
    """Make secrets in a line unreadable, wherever they got in: the last step before it is written."""
    del logger, method
    return {key: _hidden(value) for key, value in event.items()}


def _hidden(value: Any) -> Any:
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, Mapping):
        return {key: _hidden(of_key) for key, of_key in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden(one) for one in value]
    return value if isinstance(value, int | float | None) else without_secrets(str(value))


def _fields() -> list[Processor]:
    """What is put into a line; those of a request come from its context."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(allow=FIELDS),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]


def _formatter(*, as_json: bool) -> logging.Formatter:
    renderer: Processor
    if as_json:
        renderer = structlog.processors.JSONRenderer(default=str)
    else:
        renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    last: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        hide_secrets,
        renderer,
    ]
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=_fields(), processors=last)
