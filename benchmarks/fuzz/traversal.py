"""Every route with names that try to lead out of a folder, in every parameter that is text."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from benchmarks.abuse_payloads import as_segment, traversal_payloads
from benchmarks.fuzz.outcome import Outcome
from benchmarks.fuzz.service import CANARY, STUDY, AbusedService

#: What no answer may hold: of the canary's file, the password file, the database and the environment.
_LEAKS: Final = (CANARY.encode(), b"root:x:0:0", b"SQLite format 3", b"PATH=")
_TIMEOUT_S: Final = 30.0
_METHODS: Final = ("get", "put", "post", "patch", "delete")


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a payload goes: a parameter of a route, the others being what there is.

    Attributes:
        template: of the path, with `{}` where a payload goes in it.
        query: name of the query's parameter that gets it, if the path does not.
    """

    method: str
    template: str
    query: str | None = None
    body: str | None = None

    def request(self, payload: str) -> tuple[str, str, bytes | None]:
        """Method, address and body with a payload in its place."""
        path = self.template.replace("{}", as_segment(payload))
        if self.query is not None:
            path += f"?{self.query}={quote(payload, safe='%', errors='surrogatepass')}"
        body = None
        if self.method in ("POST", "PUT", "PATCH"):
            body = json.dumps({} if self.body is None else {self.body: payload}).encode()
        return self.method, path, body


def traverse(service: AbusedService, payloads: list[str] | None = None) -> Outcome:
    """Send each payload to each place, with the token of an administrator, who is refused least."""
    chosen = traversal_payloads() if payloads is None else payloads
    places = list(places_of(service.openapi, service.known.export))
    cases, slowest_s, findings = 0, 0.0, []
    began = time.monotonic()
    host, _, port = service.address.removeprefix("http://").partition(":")
    headers = {**service.headers("admin"), "Content-Type": "application/json"}
    connection = http.client.HTTPConnection(host, int(port), timeout=_TIMEOUT_S)
    for place in places:
        for payload in chosen:
            asked = time.perf_counter()
            method, path, body = place.request(payload)
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            slowest_s = max(slowest_s, time.perf_counter() - asked)
            cases += 1
            leaks = [leak for leak in _LEAKS if leak in content]
            if leaks or answer.status >= 500:
                findings.append(f"{method} {path} {body!r}: {answer.status} {leaks}")
    connection.close()
    return Outcome(
        part="names that lead out of folders",
        cases=cases,
        seconds=time.monotonic() - began,
        slowest_s=slowest_s,
        findings=tuple(findings),
        also=f"{len(chosen)} in {len(places)} places",
    )


def places_of(openapi: Mapping[str, Any], export: int) -> Iterator[Place]:
    """All parameters of paths, queries and bodies, besides a segment that no route has."""
    known = {"study": STUDY, "number": "3", "job_id": "1", "export_id": str(export), "name": "config.json"}
    for path, methods in openapi["paths"].items():
        for method in _METHODS:
            if method not in methods or path in ("/login", "/logout") or path.endswith("/events"):
                continue
            yield from _of_operation(method.upper(), path, methods[method], known)
    for root in ("/", "/api/v1/", "/assets/", "/studies/", "/exports/"):
        yield Place(method="GET", template=f"{root}{{}}")


def _of_operation(method: str, path: str, operation: Any, known: Mapping[str, str]) -> Iterator[Place]:
    names = [parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "path"]
    for chosen in names:
        template = path
        for name in names:
            template = template.replace(f"{{{name}}}", "{}" if name == chosen else known[name])
        yield Place(method=method, template=template)
    filled = path
    for name in names:
        filled = filled.replace(f"{{{name}}}", known[name])
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "query":
            yield Place(method=method, template=filled, query=parameter["name"])
    if "requestBody" in operation:
        for name in ("yaml", "config", "study", "where", "name"):
            yield Place(method=method, template=filled, body=name)
