"""Parsers of what strangers send, each as a function of bytes that returns unless something is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

from starlette.datastructures import Headers

from nas.config.documents import load_toml, load_yaml
from nas.errors import ConfigError
from nas.objectives import Constraint, Objective, parse_constraints
from nas.service.authentication import bearer_of
from nas.service.gate import session_of
from nas.service.limits import check_json
from nas.service.observability import request_id_of
from nas.service.paging import position_of, token_of
from nas.service.problems import ProblemError
from nas.service.settings import ServiceSettings
from nas.service.submission import search_config, yaml_document

BASELINE: Final = {"latency_ms": 20.0, "accuracy": 0.9, "num_parameters": 2.2e7, "weight_bytes": 8.8e7}

Target = Callable[[bytes], None]


def yaml_text(data: bytes) -> None:
    """A document is refused with a `ConfigError`, or is plain values that are finite."""
    with suppress(ConfigError):
        _require_plain(load_yaml(data))


def toml_text(data: bytes) -> None:
    """The same for TOML."""
    with suppress(ConfigError):
        _require_plain(load_toml(data))


def json_body(data: bytes) -> None:
    """A body is refused with a problem, or is plain JSON."""
    with suppress(ProblemError):
        check_json(data)


def constraint(data: bytes) -> None:
    """A constraint is refused, or says the same when it is read again."""
    text = data.decode("utf-8", "replace")
    with suppress(ConfigError):
        parsed = Constraint.parse(text, metrics=("my_metric",))
        if Constraint.parse(str(parsed), metrics=("my_metric",)) != parsed:
            raise AssertionError(f"{text!r} became {parsed}")
        if math.isnan(parsed.violation(BASELINE.get(parsed.metric, 1.0), BASELINE)):
            raise AssertionError(f"{text!r} is broken by NaN")
    with suppress(ConfigError):
        parse_constraints(text.split("\n"), metrics=("my_metric",))


def objective(data: bytes) -> None:
    """An objective is refused, or says the same when it is read again."""
    text = data.decode("utf-8", "replace")
    with suppress(ConfigError):
        parsed = Objective.parse(text)
        if Objective.parse(str(parsed)) != parsed:
            raise AssertionError(f"{text!r} became {parsed}")


def headers(data: bytes) -> None:
    """Headers give a token, or none; never an error."""
    raw = Headers(raw=[(b"cookie", data), (b"authorization", data)])
    session_of(raw)
    bearer_of([data])
    request_id_of(raw.get("cookie"))


def page_token_text(data: bytes) -> None:
    """A page's token is refused, or is one that we made."""
    query = {"study": "fuzz.filled", "where": []}
    with suppress(ConfigError):
        last = position_of(data.decode("utf-8", "replace"), query)
        if position_of(token_of(last, query), query) != last:
            raise AssertionError(f"{data!r} gave {last}")


def submission(settings: ServiceSettings, data: bytes) -> None:
    """A submitted text is refused, or is a config of the account's own."""
    with suppress(ConfigError):
        text = data.decode("utf-8", "replace")
        config = search_config(yaml_document(text), settings=settings, account="fuzz", is_admin=False)
        if not config.name.startswith("fuzz.") or config.storage.url != settings.storage.url:
            raise AssertionError(f"{text!r} gave {config.name!r} on {config.storage.url!r}")


def targets(settings: ServiceSettings) -> tuple[Target, ...]:
    """All of them, in the order in which the first byte of an input chooses."""
    return (
        yaml_text,
        toml_text,
        json_body,
        constraint,
        objective,
        headers,
        page_token_text,
        partial(submission, settings),
    )


def run_one(chosen: tuple[Target, ...], data: bytes) -> None:
    """Give an input to the target that its first byte chooses."""
    if data:
        chosen[data[0] % len(chosen)](data[1:])


def _require_plain(value: object) -> None:
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            pending += [*one, *one.values()]
        elif isinstance(one, list):
            pending += one
        elif isinstance(one, float) and not math.isfinite(one):
            raise AssertionError(f"{one} was let through")
        elif not isinstance(one, str | int | float | None):
            raise AssertionError(f"a {type(one).__name__} was let through")
