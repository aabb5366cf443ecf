"""JSON that came from another machine: bounded in size, of plain values, with a hash of its content."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from nas.errors import ConfigError

#: Largest file that is read at all.
MAX_BYTES: Final = 256 * 2**20


def read_bounded(path: Path) -> bytes:
    """A file's bytes.

    Raises:
        ConfigError: there is no such file, or it is too large.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from error
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path} has more than {MAX_BYTES:,} bytes, which are allowed; split the plan")
    return data


def parsed(text: str | bytes, what: str) -> dict[str, Any]:
    """A JSON object without NaN, infinities and repeated keys; `what` names it in errors.

    Raises:
        ConfigError: anything else.
    """
    try:
        record = json.loads(text, parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{what} is not JSON as it was written: {error}") from error
    if not isinstance(record, dict):
        raise ConfigError(f"{what} is no JSON object")
    return record


def checked_keys(record: Mapping[str, Any], allowed: Collection[str], what: str) -> None:
    """Refuse a record that lacks one of the keys, or has others.

    Raises:
        ConfigError: with the first wrong key.
    """
    missing = sorted(set(allowed) - set(record))
    unknown = sorted(set(record) - set(allowed))
    if missing or unknown:
        found = f"lacks {missing[0]!r}" if missing else f"has the unknown key {unknown[0][:80]!r}"
        raise ConfigError(f"{what} {found}; the keys are {', '.join(sorted(allowed))}")


def canonical(record: Mapping[str, Any]) -> str:
    """One spelling of a record, on one line."""
    return json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False)


def sha256_of(record: Mapping[str, Any]) -> str:
    """Hash of a record's one spelling."""
    return hashlib.sha256(canonical(record).encode()).hexdigest()


def signed(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with its hash under `sha256`: it tells damage, not who wrote it."""
    return {**record, "sha256": sha256_of(record)}


def unsigned(record: Mapping[str, Any], what: str) -> dict[str, Any]:
    """The record without its hash, which must match.

    Raises:
        ConfigError: the hash is missing or another.
    """
    content = {name: value for name, value in record.items() if name != "sha256"}
    try:
        found = sha256_of(content)
    except RecursionError as error:
        raise ConfigError(f"{what} is nested too deeply") from error
    if record.get("sha256") != found:
        raise ConfigError(f"{what} does not match its sha256: it was changed or damaged")
    return content


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number that can be used")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _no_constant(text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return record
