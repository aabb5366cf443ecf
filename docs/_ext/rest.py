"""The REST API, from the OpenAPI document of the application, and the problems that it answers with."""

from __future__ import annotations

import ast
import functools
import importlib.resources
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

from tables import code, table

_METHODS = ("get", "post", "put", "patch", "delete")


def markdown() -> str:
    """Operations by tag, with parameters, body and answers."""
    document = _document()
    by_tag: dict[str, list[str]] = {}
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                operation = item[method]
                tag = (operation.get("tags") or ["service"])[0]
                by_tag.setdefault(tag, []).append(_operation(method, path, operation))
    return "\n".join(f"## {tag.capitalize()}\n\n{chr(10).join(parts)}" for tag, parts in by_tag.items())


def problem_types() -> str:
    """Kinds of problems that the service raises, found in its source."""
    return table(
        ("type", "status"),
        [(code(f"/problems/{name}"), str(status)) for status, name in sorted(set(_raised()))],
    )


@functools.cache
def _document() -> Mapping[str, Any]:
    from nas.service.application import create_app
    from nas.service.settings import ServiceSettings

    with tempfile.TemporaryDirectory() as folder:
        document: Mapping[str, Any] = create_app(ServiceSettings(folder=folder)).openapi()
    return document


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    parts = [f"### `{method.upper()} {path}`\n", f"{operation.get('summary', '')}.\n"]
    if text := operation.get("description"):
        parts.append(f"{_prose(text)}\n")
    if operation.get("operationId"):
        parts.append(f"Operation {code(operation['operationId'])}.\n")
    if rows := list(_parameters(operation)):
        parts.append(table(("parameter", "in", "type", "meaning"), rows))
    parts.append(table(("answer", "body", "meaning"), _answers(operation)))
    return "\n".join(parts)


def _parameters(operation: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    for one in operation.get("parameters", ()):
        kind = _type(one.get("schema", {})) + ("" if one.get("required") else ", optional")
        yield code(one["name"]), one["in"], kind, _prose(one.get("description", ""))
    for media, body in operation.get("requestBody", {}).get("content", {}).items():
        yield code("body"), media, _type(body.get("schema", {})), ""


def _answers(operation: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for status, answer in sorted(operation["responses"].items()):
        bodies = [_type(body.get("schema", {})) for body in answer.get("content", {}).values()]
        yield status, ", ".join(dict.fromkeys(bodies)), _prose(answer.get("description", ""))


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return code(schema["$ref"].rsplit("/", 1)[1])
    for name in ("anyOf", "oneOf"):
        if name in schema:
            return " or ".join(dict.fromkeys(_type(option) for option in schema[name]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if "enum" in schema:
        return ", ".join(code(one) for one in schema["enum"])
    return str(schema.get("type", ""))


def _prose(text: str) -> str:
    return " ".join(text.split()).replace("<", "&lt;").replace("*", "\\*")


def _raised() -> Iterator[tuple[int, str]]:
    folder = importlib.resources.files("nas") / "service"
    with importlib.resources.as_file(folder) as path:
        for file in sorted(path.rglob("*.py")):
            yield from _raised_in(ast.parse(file.read_text(encoding="utf-8")))


def _raised_in(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ProblemError":
            constants = [one.value for one in node.args[:2] if isinstance(one, ast.Constant)]
            if len(constants) == 2 and isinstance(constants[0], int):
                yield constants[0], str(constants[1])
