"""The command line, from the Typer application."""

from __future__ import annotations

import os
import typing
from collections.abc import Iterator
from typing import Any

import typer
from tables import code, table

from nas.cli.app import app


def markdown() -> str:
    """Every command with its arguments and options."""
    parts = [_section(words, command) for words, command in _commands(typer.main.get_command(app), ("nas",))]
    return "\n".join(parts)


def _commands(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Groups before what is in them; hidden commands are left out."""
    yield words, command
    for name, inner in getattr(command, "commands", {}).items():
        if not inner.hidden:
            yield from _commands(inner, (*words, name))


def _section(words: tuple[str, ...], command: Any) -> str:
    heading = f"{'#' * min(len(words) + 1, 3)} `{' '.join(words)}`\n"
    shown = [one for one in command.params if not getattr(one, "hidden", False) and one.name != "help"]
    arguments = [one for one in shown if one.param_type_name == "argument"]
    options = [one for one in shown if one.param_type_name == "option"]
    parts = [heading, f"{_prose(command.help)}\n"]
    if not getattr(command, "commands", {}):
        usage = [*words, *(_argument(one) for one in arguments), *(["[OPTIONS]"] if options else [])]
        parts.append(f"```text\n{' '.join(usage)}\n```\n")
    if arguments:
        parts.append(table(("argument", "meaning"), [(code(_argument(a)), _meaning(a)) for a in arguments]))
    if options:
        rows = [(_flags(one), _default(one), _meaning(one)) for one in options]
        parts.append(table(("option", "default", "meaning"), rows))
    return "\n".join(parts)


def _argument(parameter: Any) -> str:
    name = parameter.metavar or parameter.name.upper()
    return name if parameter.required else f"[{name.strip('[]')}]"


def _flags(parameter: Any) -> str:
    names = ", ".join(code(name) for name in [*parameter.opts, *parameter.secondary_opts])
    value = "" if parameter.is_flag else f" {code(_value(parameter))}"
    variable = f" ({code(parameter.envvar)})" if isinstance(parameter.envvar, str) else ""
    return f"{names}{value}{variable}"


def _value(parameter: Any) -> str:
    """What an option takes: its own word, or its choices, or its type."""
    kind = parameter.type_descriptor.annotation
    choices = "|".join(map(str, typing.get_args(kind))) if typing.get_origin(kind) is typing.Literal else ""
    return str(parameter.metavar or choices or {int: "INTEGER", float: "NUMBER"}.get(kind, "TEXT"))


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    value = parameter.default
    if value is None or value is False or value == () or callable(value):
        return ""
    return code(str(value).replace(os.path.expanduser("~"), "~"))


def _meaning(parameter: Any) -> str:
    return _prose(parameter.help)


def _prose(text: str | None) -> str:
    """Help text as Markdown: nothing in it is HTML."""
    return (text or "").replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")
