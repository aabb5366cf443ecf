"""Where text of a request goes in: every parameter of every route of a service, pages and assets included.

The routes are walked themselves, not their description, which leaves the pages out, so a new one is here too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

_IN_PATH: Final = re.compile(r"\{(\w+)(?::\w+)?\}")
#: Stands for a parameter of which nothing is known.
_ANY: Final = "1"
_BODY_KEYS: Final = ("yaml", "config", "study", "where", "name")
#: Of addresses that no route has.
_ROOTS: Final = ("/", "/api/v1/", "/exports/")


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A parameter of a route, the others being what there is.

    Attributes:
        route: its path, with the names of its parameters.
        template: of the path, with `{}` where a payload goes in it.
        query: name of the query's parameter that gets it, if the path does not.
        header: the same of a header.
        body: the same of a key of a JSON body.
    """

    method: str
    route: str
    template: str
    query: str | None = None
    header: str | None = None
    body: str | None = None

    def address(self, text: str) -> str:
        """Path and query with a text in its place, which is encoded already."""
        path = self.template.replace("{}", text)
        return path if self.query is None else f"{path}?{self.query}={text}"


def places_of(app: FastAPI, known: Mapping[str, str]) -> Iterator[Place]:
    """All parameters of paths, queries, headers and bodies, and segments that no route has.

    Args:
        app: whose routes are walked.
        known: values of the parameters of paths for which there is something, by their names.
    """
    for route in iter_route_contexts(app.routes):
        path = route.path or ""
        dependant: Dependant | None = getattr(route, "dependant", None)
        for method in sorted(route.methods or ()):
            yield from _in_path(method, path, known)
            for place in () if dependant is None else _in_dependant(dependant):
                yield Place(method=method, route=path, template=_filled(path, known), **place)
    for root in _ROOTS:
        yield Place(method="GET", route=root, template=f"{root}{{}}")


def _in_path(method: str, route: str, known: Mapping[str, str]) -> Iterator[Place]:
    for match in _IN_PATH.finditer(route):
        before, after = route[: match.start()], route[match.end() :]
        template = f"{_filled(before, known)}{{}}{_filled(after, known)}"
        yield Place(method=method, route=route, template=template)


def _filled(route: str, known: Mapping[str, str]) -> str:
    return _IN_PATH.sub(lambda match: known.get(match[1], _ANY), route)


def _in_dependant(dependant: Dependant) -> Iterator[dict[str, str]]:
    """Parameters beside the path, also of what a route depends on."""
    yield from ({"query": parameter.alias} for parameter in dependant.query_params)
    yield from ({"header": parameter.alias} for parameter in dependant.header_params)
    if dependant.body_params:
        yield from ({"body": key} for key in _BODY_KEYS)
    for below in dependant.dependencies:
        yield from _in_dependant(below)
