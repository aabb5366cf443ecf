"""Strict reading of YAML and TOML: one document, plain values, bounded in size, depth and nodes.

YAML follows the 1.2 core rules in place of PyYAML's 1.1: `no` and `1:30` are text, `1e-5` is a number.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import TypeAlias

import yaml

from nas.errors import ConfigError

Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"

MAX_BYTES = 256 * 1024
MAX_DEPTH = 16
MAX_NODES = 10_000
_MAX_DIGITS = 18

_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_WORDS: dict[str, Value] = {
    **dict.fromkeys(["", "~", "null", "Null", "NULL"]),
    **dict.fromkeys(["true", "True", "TRUE"], True),
    **dict.fromkeys(["false", "False", "FALSE"], False),
}
# tomllib walks all prefixes of a dotted key: its time grows with the square of the parts.
_KEY = r"(?:(?<![\w-])[\w-]+|\"[^\"\n]*\"|'[^'\n]*')"
_LONG_DOTTED_KEY = re.compile(rf"{_KEY}(?:[ \t]*\.[ \t]*{_KEY}){{{MAX_DEPTH}}}")


def read_document(path: Path) -> dict[str, Value]:
    """Read a config file: TOML if its suffix is `.toml`, else YAML.

    Raises:
        ConfigError: a file that cannot be read, or is not a mapping within the limits.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"config file {path}: {error.strerror or error}") from None
    load = load_toml if path.suffix.lower() == ".toml" else load_yaml
    try:
        document = load(data)
    except ConfigError as error:
        raise ConfigError(f"config file {path}: {error}") from None
    if not isinstance(document, dict):
        raise ConfigError(
            f"config file {path}: got {kind_of(document)}; the file must hold `key: value` lines"
        )
    return document


def load_yaml(source: str | bytes) -> Value:
    """Read one YAML document of plain values.

    Raises:
        ConfigError: not YAML, or an anchor, alias, tag, repeated key, number that is not finite, or
            more than 256 KiB, 16 levels or 10,000 nodes.
    """
    text = _text(source)
    try:
        node = _StrictLoader(text).get_single_node()
    except ConfigError:
        raise
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ConfigError(f"{line}not valid YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"not valid YAML: {str(error).splitlines()[0]}") from None
    except (ValueError, OverflowError):
        # PyYAML turns the digits of escapes and directives into numbers unchecked.
        raise ConfigError("not valid YAML: an escape or directive with a number out of range") from None
    return None if node is None else _value(node)


def load_toml(source: str | bytes) -> Value:
    """Read a TOML document under the limits of `load_yaml`.

    Raises:
        ConfigError: not TOML, a date, a number that is not finite, or more than the limits.
    """
    text = _text(source)
    if _LONG_DOTTED_KEY.search(text):
        raise ConfigError(f"a dotted key has more than {MAX_DEPTH} parts")
    try:
        document = tomllib.loads(text)
    except RecursionError:
        raise ConfigError(f"nested deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:
        raise ConfigError(f"not valid TOML: {error}") from None
    check_values(document)
    return document


def check_values(document: Mapping[str, object]) -> None:
    """Hold a mapping that did not come from YAML to the same limits.

    Raises:
        ConfigError: a value other than text, a finite number, true, false, null, a list or a mapping
            with text as keys; or more than 16 levels or 10,000 values.
    """
    nodes = 0
    pending: list[tuple[object, int]] = [(document, 1)]
    while pending:
        value, depth = pending.pop()
        children = _children(value)
        nodes += 1
        if depth > MAX_DEPTH:
            raise ConfigError(f"nested deeper than {MAX_DEPTH} levels")
        if nodes + len(children) > MAX_NODES:
            raise ConfigError(f"more than {MAX_NODES} values")
        pending.extend((child, depth + 1) for child in children)


def kind_of(value: object) -> str:
    """A value's kind in words for messages."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return "nothing" if value is None else f"the value {str(value)[:40]!r}"


class _StrictLoader(yaml.SafeLoader):
    """Composes nodes within the limits; constructors are never run."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs leave it out
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _refused(event, "anchors and aliases (& and *) are not allowed; write the value out")
        if (tag := getattr(event, "tag", None)) is not None:
            raise _refused(event, f"the tag {str(tag)[:80]} is not allowed; remove it")
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _refused(event, f"more than {MAX_NODES} values")
        if self._depth >= MAX_DEPTH:
            raise _refused(event, f"nested deeper than {MAX_DEPTH} levels")
        self._depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


def _refused(where: yaml.Event | yaml.Node, problem: str) -> ConfigError:
    return ConfigError(f"line {where.start_mark.line + 1}: {problem}" if where.start_mark else problem)


def _value(node: yaml.Node) -> Value:
    if isinstance(node, yaml.MappingNode):
        return _mapping(node)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item) for item in node.value]
    text = _joined_surrogates(node)
    # Quoted and block scalars are text whatever they look like.
    is_plain = isinstance(node, yaml.ScalarNode) and node.style is None
    return _scalar(text, node) if is_plain else text


def _mapping(node: yaml.MappingNode) -> dict[str, Value]:
    result: dict[str, Value] = {}
    for key_node, value_node in node.value:
        key = _value(key_node)
        if not isinstance(key, str):
            raise _refused(key_node, f"got {kind_of(key)} as a key; keys are text, put it in quotes")
        if key in result:
            raise _refused(key_node, f"the key {key[:80]!r} is given twice; keep one")
        result[key] = _value(value_node)
    return result


def _joined_surrogates(node: yaml.Node) -> str:
    """Text of a scalar; JSON writes letters beyond the 16-bit range as two escapes."""
    text: str = node.value
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise _refused(node, "an escape stands for half a letter (a lone surrogate)") from None


def _scalar(text: str, node: yaml.Node) -> Value:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        if len(text.lstrip("+-")) > _MAX_DIGITS:
            raise _refused(node, f"{text[:40]!r} has more than {_MAX_DIGITS} digits; in quotes it is text")
        return int(text)
    is_float = _FLOAT.fullmatch(text)
    if _NOT_FINITE.fullmatch(text) or (is_float and not isfinite(float(text))):
        raise _refused(node, f"{text[:40]!r} is not a finite number; in quotes it is text")
    return float(text) if is_float else text


def _text(source: str | bytes) -> str:
    try:
        data = source.encode("utf-8") if isinstance(source, str) else source
        text = data.decode("utf-8-sig")
    except UnicodeError:
        raise ConfigError("not valid UTF-8 text") from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"larger than {MAX_BYTES // 1024} KiB")
    return text


def _children(value: object) -> Sequence[object]:
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise ConfigError(f"got {kind_of(key)} as a key; keys are text")
        return [*value.values()]
    if isinstance(value, (list, tuple)):
        return value
    _check_leaf(value)
    return ()


def _check_leaf(value: object) -> None:
    if isinstance(value, float) and not isfinite(value):
        raise ConfigError(f"{value} is not a finite number")
    if isinstance(value, int) and abs(value) >= 10**_MAX_DIGITS:
        raise ConfigError(f"a whole number has more than {_MAX_DIGITS} digits")
    if value is not None and not isinstance(value, (bool, int, float, str)):
        raise ConfigError(
            f"got {kind_of(value)} of type {type(value).__name__}; put dates and times in quotes"
        )
