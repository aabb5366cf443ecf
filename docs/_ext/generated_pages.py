"""A Sphinx extension: parts of the reference are written from the code while the site is built.

A page holds an empty block ```` ```{generated} NAME ```` ````; what stands there is Markdown that a module of
this folder makes. Nothing of it is kept in the repository, so it cannot be out of date.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import command_line
import constants
import json_schema
import python_api
import rest
from sphinx.application import Sphinx

_BLOCK: Final = re.compile(r"^```\{generated\} ([a-z-]+)\n```$", re.MULTILINE)
PARTS: Final[Mapping[str, Callable[[], str]]] = {
    "cli": command_line.markdown,
    "config": json_schema.config,
    "exit-codes": constants.exit_codes,
    "metrics": constants.metrics,
    "problems": rest.problem_types,
    "python": python_api.markdown,
    "rest": rest.markdown,
    "service-settings": json_schema.service_settings,
}


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("source-read", _fill)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def _fill(app: Sphinx, name: str, source: list[str]) -> None:
    del app, name
    source[0] = _BLOCK.sub(lambda match: PARTS[match[1]](), source[0])
