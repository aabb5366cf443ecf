"""Values before they become columns: strict JSON, its sha256, finite metrics, storable text."""

from __future__ import annotations

import hashlib
import json
import math
import numbers
import re
import sys
from collections.abc import Mapping
from typing import Any

MESSAGE_LIMIT = 8192
"""Characters kept of an error message."""

_ENCODERS = {
    sort_keys: json.JSONEncoder(
        allow_nan=False, ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys
    )
    for sort_keys in (False, True)
}
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def json_text(value: object) -> str:
    """Strict JSON in the given key order: no NaN, no infinity, nothing that PostgreSQL can't hold.

    Raises:
        ValueError: a number is not finite, a string holds NUL or half a surrogate pair, or something
            is not JSON.
    """
    return _dumped(value, sort_keys=False)


def json_value(text: str) -> Any:
    """What a JSON text says, with the keys of its dict shared between texts.

    A hundred thousand trials repeat the same few names; without sharing these take 200 MB.
    """
    value = json.loads(text)
    return {sys.intern(key): item for key, item in value.items()} if isinstance(value, dict) else value


def canonical_json(value: object) -> str:
    """The one JSON text of equal values: sorted keys, no spaces."""
    return _dumped(value, sort_keys=True)


def json_sha256(value: object) -> str:
    """Hexadecimal sha256 of the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def checked_sha256(text: str) -> str:
    """`text` itself, if it is a hexadecimal sha256; raises ValueError."""
    if not isinstance(text, str) or not _SHA256.fullmatch(text):
        # Not the text itself: it may be a secret that was not hashed.
        raise ValueError("a sha256 is none: allowed are 64 hexadecimal digits in lower case")
    return text


def finite_metrics(metrics: Mapping[str, float], what: str = "metric") -> dict[str, float]:
    """A copy with floats only, in the order of the names.

    Raises:
        ValueError: a value is not a finite number, or a name is not a non-empty string.
    """
    for name in metrics:
        if not isinstance(name, str) or not name:
            raise ValueError(f"{what} name {name!r}: allowed are non-empty strings")
    return {name: _finite(metrics[name], f"{what} {name!r}") for name in sorted(metrics)}


def stored_text(text: str, limit: int) -> str:
    """`text` itself, if every database can hold it.

    Raises:
        ValueError: it is no string, too long, or holds NUL or half a surrogate pair.
    """
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is {type(text).__name__}, allowed is a string")
    if len(text) > limit:
        raise ValueError(f"text of {len(text)} characters, allowed are {limit}: {text[:80]!r}…")
    if "\0" in text:
        raise ValueError(f"text with a NUL character can't be stored: {text[:80]!r}")
    _encodable(text)
    return text


def is_storable(text: str, limit: int) -> bool:
    """Whether `stored_text` takes it."""
    try:
        stored_text(text, limit)
    except ValueError:
        return False
    return True


def storable_message(text: str) -> str:
    """A message as it can be stored: the odd character replaced, the rest beyond the limit cut off."""
    cleaned = text.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
    return cleaned if len(cleaned) <= MESSAGE_LIMIT else cleaned[: MESSAGE_LIMIT - 1] + "…"


def _finite(value: object, what: str) -> float:
    """`value` as a float; numpy scalars are numbers, booleans and numeric strings are not."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ValueError(f"{what} is {value!r} ({type(value).__name__}), allowed is a finite number")
    try:
        converted = float(value)
    except OverflowError:
        converted = math.inf
    if not math.isfinite(converted):
        raise ValueError(f"{what} is {converted}, allowed is a finite number: report the trial as failed")
    return converted


def _dumped(value: object, *, sort_keys: bool) -> str:
    try:
        text = _ENCODERS[sort_keys].encode(value)
    except TypeError as error:
        raise ValueError(
            f"{error}; allowed are dicts with string keys, lists, strings and numbers"
        ) from error
    if "\\u0000" in text and _ESCAPED_NUL.search(text):
        raise ValueError("a string with a NUL character can't be stored: remove it")
    _encodable(text)
    return text


def _encodable(text: str) -> None:
    if text.isascii():  # known without looking at it
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"text with half a surrogate pair can't be stored: {text[:80]!r}") from error
