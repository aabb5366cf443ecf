"""Turns pydantic's findings into messages: the path, what was given, what is allowed, the nearest key."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from nas.config.models import SearchConfig, mask_password
from nas.errors import ConfigError

Path: TypeAlias = "tuple[str | int, ...]"

_MAX_SHOWN = 10
_ALLOWED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "string_pattern_mismatch": "text without line breaks or control characters",
    "literal_error": "{expected}",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "less_than": "a number below {lt}",
    "less_than_equal": "a number of at most {le}",
    "too_short": "at least {min_length} entry",
    "too_long": "at most {max_length} entries",
    "string_too_short": "text of at least {min_length} character",
    "string_too_long": "text of at most {max_length} characters",
}


def config_error(error: ValidationError, document: Mapping[str, object]) -> ConfigError:
    """One error that names every problem of a document, a line each."""
    messages = list(_messages(error, document))
    if len(messages) == 1:
        return ConfigError(messages[0])
    shown = messages[:_MAX_SHOWN]
    if len(messages) > _MAX_SHOWN:
        shown.append(f"and {len(messages) - _MAX_SHOWN} more")
    return ConfigError("".join(f"\n  {message}" for message in shown))


def _messages(error: ValidationError, document: Mapping[str, object]) -> Iterator[str]:
    found: dict[Path, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        found.setdefault(_path(detail, document), []).append(detail)
    for path, details in found.items():
        # An alternative of a union that the value was not meant for complains about the whole value.
        is_outer = any(len(other) > len(path) and other[: len(path)] == path for other in found)
        if not (path and is_outer):
            yield _message(path, details)


def _path(detail: ErrorDetails, document: Mapping[str, object]) -> Path:
    """Where the problem lies; pydantic's names of union alternatives are left out."""
    path: list[str | int] = []
    here: Any = document
    for part in detail["loc"]:
        if (isinstance(here, Mapping) and part in here) or (
            isinstance(here, (list, tuple)) and isinstance(part, int)
        ):
            path.append(part)
            here = here[part]  # type: ignore[index]  # str into the mapping, int into the list
    return (*path, detail["loc"][-1]) if detail["type"] == "missing" else tuple(path)


def _message(path: Path, details: Sequence[ErrorDetails]) -> str:
    name, first = ".".join(map(str, path)), details[0]
    if first["type"] == "json_invalid":
        return "text that is not valid Unicode; remove the lone surrogate"
    if first["type"] == "missing":
        return f"{name} is missing; give {_description(path)}"
    if first["type"] == "extra_forbidden":
        return f"{name}: unknown key; {_key_hint(path)}"
    if not path:
        return str(first["msg"]).removeprefix("Value error, ")
    allowed = " or ".join(dict.fromkeys(_allowed(detail) for detail in details)).replace(" or give ", " or ")
    return f"{name}: got {_shown(first['input'])}; {allowed}{_quotes_hint(first)}"


def _allowed(detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})
    if detail["type"] == "value_error":
        return str(context["error"]).removeprefix(f"got {str(detail['input'])[:40]!r}; ")
    if detail["type"] not in _ALLOWED:
        return detail["msg"]
    allowed = "give " + _ALLOWED[detail["type"]].format_map(context)
    if detail["type"] == "literal_error":
        choices = str(context["expected"]).replace(" or ", ", ").replace("'", "").split(", ")
        nearest = difflib.get_close_matches(str(detail["input"]), choices, n=1)
        return f"{allowed}; did you mean {nearest[0]}?" if nearest else allowed
    return allowed


def _quotes_hint(detail: ErrorDetails) -> str:
    is_number = isinstance(detail["input"], (bool, int, float))
    return " (put it in quotes)" if is_number and detail["type"] == "string_type" else ""


def _shown(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    shown = mask_password(repr(value))
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


def _key_hint(path: Path) -> str:
    parent, key = ".".join(part for part in path[:-1] if isinstance(part, str)), str(path[-1])
    known = [name for owner, name in _known_keys() if owner == parent]
    nearest = difflib.get_close_matches(key, known, n=1)
    everywhere = [".".join(filter(None, pair)) for pair in _known_keys() if pair[1] == key]
    candidates = [".".join(filter(None, (parent, name))) for name in nearest] or everywhere
    hint = f"did you mean {candidates[0]}? " if candidates else ""
    return f"{hint}Known here: {', '.join(known) or 'nothing'}"


def _description(path: Path) -> str:
    return _known_keys().get((".".join(map(str, path[:-1])), str(path[-1])), "a value")


@cache
def _known_keys() -> dict[tuple[str, str], str]:
    """Description of each key by its parent's path and its own name."""
    return dict(_keys_of(SearchConfig, ""))


def _keys_of(model: type[BaseModel], path: str) -> Iterator[tuple[tuple[str, str], str]]:
    for name, field in model.model_fields.items():
        key = field.alias or name
        yield (path, key), field.description or "a value"
        for section in _sections_in(field.annotation):
            yield from _keys_of(section, f"{path}.{key}" if path else key)


def _sections_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [section for part in get_args(annotation) for section in _sections_in(part)]
