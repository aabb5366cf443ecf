"""Config files, from the JSON Schemas that they are checked by."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tables import code, table

Schema = Mapping[str, Any]


def config() -> str:
    """Keys of a search's config."""
    from nas.config import SearchConfig

    return markdown(SearchConfig.model_json_schema())


def service_settings() -> str:
    """Keys of the settings file of `nas serve`."""
    from nas.service.settings import ServiceSettings

    return markdown(ServiceSettings.model_json_schema())


def markdown(schema: Schema) -> str:
    """The top level, then a section for each kind of object below it, named by the path of its first use."""
    parts = ["## Top level\n", _keys(schema)]
    uses: dict[str, list[str]] = {}
    kinds: dict[str, Schema] = {}
    for path, inner in _sections(schema, schema, ()):
        kinds.setdefault(inner["title"], inner)
        uses.setdefault(inner["title"], []).append(path)
    for title, inner in kinds.items():
        first, *others = uses[title]
        same = f" The same keys are in {', '.join(map(code, others))}." if others else ""
        parts += [f"## `{first}`\n", f"{_prose(inner.get('description'))}{same}\n", _keys(inner)]
    return "\n".join(parts)


def _sections(root: Schema, schema: Schema, path: tuple[str, ...]) -> Iterator[tuple[str, Schema]]:
    for name, value in schema.get("properties", {}).items():
        for inner, suffix in _objects(root, value):
            here = (*path, f"{name}{suffix}")
            yield ".".join(here), inner
            yield from _sections(root, inner, here)


def _objects(root: Schema, value: Schema) -> Iterator[tuple[Schema, str]]:
    """Objects that a key may hold; of a mapping or list, those of its entries."""
    if "$ref" in value:
        inner = root["$defs"][value["$ref"].rsplit("/", 1)[1]]
        if inner.get("properties"):
            yield inner, ""
    for option in [*value.get("anyOf", ()), *value.get("oneOf", ()), *value.get("allOf", ())]:
        yield from _objects(root, option)
    for entries in (value.get("additionalProperties"), *value.get("patternProperties", {}).values()):
        if isinstance(entries, Mapping):
            yield from ((inner, f".NAME{suffix}") for inner, suffix in _objects(root, entries))
    if isinstance(value.get("items"), Mapping):
        yield from ((inner, f"[]{suffix}") for inner, suffix in _objects(root, value["items"]))


def _keys(schema: Schema) -> str:
    required = set(schema.get("required", ()))
    rows = [
        (
            code(name),
            _type(value),
            "required" if name in required else _default(value),
            _prose(value.get("description")),
        )
        for name, value in schema.get("properties", {}).items()
    ]
    return table(("key", "values", "default", "meaning"), rows)


def _type(value: Schema) -> str:
    if "const" in value:
        return code(json.dumps(value["const"]))
    if "enum" in value:
        return ", ".join(code(one) for one in value["enum"])
    if "$ref" in value:
        return "section"
    for name in ("anyOf", "oneOf", "allOf"):
        if name in value:
            return " or ".join(dict.fromkeys(_type(option) for option in value[name]))
    if value.get("type") == "array":
        return f"list of {_type(value.get('items', {}))}"
    return f"{value.get('type', 'any')}{_range(value)}"


def _range(value: Schema) -> str:
    signs = (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"))
    bounds = [f"{sign} {value[name]:,}" for name, sign in signs if name in value]
    return f" {', '.join(bounds)}" if bounds else ""


def _default(value: Schema) -> str:
    default = value.get("default")
    return "" if default in (None, {}, []) else code(json.dumps(default, ensure_ascii=False))


def _prose(text: str | None) -> str:
    return (text or "").replace("<", "&lt;").replace("*", "\\*")
