"""From a file, environment variables and `--set` options to a checked config."""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nas.config.documents import MAX_DEPTH, Value, check_values, kind_of, load_yaml, read_document
from nas.config.models import SearchConfig
from nas.config.problems import config_error
from nas.errors import ConfigError

ENVIRONMENT_PREFIX = "NAS__"
BUNDLED_DATA = "docstrings"

_PATHS = (
    ("model", "id"),
    ("supernet", "checkpoint"),
    ("data", "train"),
    ("data", "validation"),
    ("data", "test"),
)

_KEYS = re.compile(r"[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*")


def load_config(
    path: str | Path, *, overrides: Sequence[str] = (), environ: Mapping[str, str] | None = None
) -> SearchConfig:
    """Read a config file; `NAS__A__B` variables go before it, `overrides` before both.

    Relative paths in the file (`data.train`, `data.validation`, `data.test`, `supernet.checkpoint`, and
    `model.id` where such a folder exists) start at the file's folder. Those of variables and overrides, and
    `storage`, start at the working directory.

    Args:
        path: YAML, or TOML by its suffix.
        overrides: texts like `search.trials=50`; the value is read as YAML.
        environ: environment variables, those of the process if None.

    Raises:
        ConfigError: a file, override or value that is not allowed; all problems of values at once.
    """
    path = Path(path)
    document = anchored(read_document(path), path.parent)
    document = apply_overrides(document, _from_environment(os.environ if environ is None else environ))
    document = apply_overrides(document, overrides)
    try:
        return parse_config(document)
    except ConfigError as error:
        raise ConfigError(f"config file {path}: {error}") from None


def parse_config(document: Mapping[str, object]) -> SearchConfig:
    """Check a mapping of plain values, such as a request's body.

    Raises:
        ConfigError: an unknown key, or a value that is not allowed; all problems at once.
    """
    check_values(document)
    # JSON mode is strict about types and yet takes a list where a tuple is kept.
    text = json.dumps(dict(document), allow_nan=False)
    try:
        return SearchConfig.model_validate_json(text)
    except ValidationError as error:
        raise config_error(error, document) from None


def apply_overrides(document: Mapping[str, Value], overrides: Sequence[str]) -> dict[str, Value]:
    """A copy of the document with each `a.b=value` set, later ones before earlier.

    Raises:
        ConfigError: another form, a value that is not YAML, or a path through a value.
    """
    result = copy.deepcopy(dict(document))
    for override in overrides:
        keys, separator, text = override.partition("=")
        parts = keys.strip().split(".")
        if not separator or not _KEYS.fullmatch(keys.strip()) or len(parts) >= MAX_DEPTH:
            raise ConfigError(f"override {override[:80]!r}: write KEY.KEY=VALUE, e.g. search.trials=50")
        try:
            _set(result, parts, load_yaml(text))
        except ConfigError as error:
            raise ConfigError(f"override {keys.strip()[:80]}: {error}") from None
    return result


def anchored(document: Mapping[str, Value], folder: Path) -> dict[str, Value]:
    """A copy of the document whose relative paths start at `folder`.

    `model.id` is taken for a path only if there is such a folder, else for a hub id; the bundled data's
    name is no path.
    """
    result = copy.deepcopy(dict(document))
    for section, key in _PATHS:
        values = result.get(section)
        value = values.get(key) if isinstance(values, dict) else None
        if not isinstance(values, dict) or not isinstance(value, str) or value in ("", BUNDLED_DATA):
            continue
        path = folder / value
        if (section, key) != ("model", "id") or _is_folder(path):
            values[key] = str(path)
    return result


def json_schema() -> dict[str, Any]:
    """JSON Schema of the config file."""
    schema = SearchConfig.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # a name too long or with a null byte, refused later
        return False


def _from_environment(environ: Mapping[str, str]) -> list[str]:
    names = sorted(name for name in environ if name.startswith(ENVIRONMENT_PREFIX))
    return [f"{_dotted(name)}={environ[name]}" for name in names]


def _dotted(name: str) -> str:
    keys = name.removeprefix(ENVIRONMENT_PREFIX).lower().replace("__", ".")
    if not _KEYS.fullmatch(keys):
        raise ConfigError(f"environment variable {name}: write NAS__SECTION__KEY, e.g. NAS__SEARCH__TRIALS")
    return keys


def _set(document: dict[str, Value], parts: Sequence[str], value: Value) -> None:
    here = document
    for depth, part in enumerate(parts[:-1], start=1):
        below = here.get(part)
        if below is None:
            below = here[part] = {}
        if not isinstance(below, dict):
            raise ConfigError(f"{'.'.join(parts[:depth])} is {kind_of(below)}; set it as a whole")
        here = below
    here[parts[-1]] = value
