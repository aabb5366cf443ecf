"""Every route with names that try to lead out of a folder, in every parameter."""

from __future__ import annotations

import http.client
import json
import time
from string import punctuation
from typing import Final
from urllib.parse import quote

from benchmarks.abuse_payloads import as_segment, traversal_payloads
from benchmarks.fuzz.outcome import Outcome
from benchmarks.fuzz.places import Place, places_of
from benchmarks.fuzz.service import CANARY, FILE, STUDY, AbusedService

#: What no answer may hold: of the canary's file, the password file, the database and the environment.
_LEAKS: Final = (CANARY.encode(), b"root:x:0:0", b"SQLite format 3", b"PATH=")
_TIMEOUT_S: Final = 30.0


def traverse(service: AbusedService, payloads: list[str] | None = None) -> Outcome:
    """Send each payload to each place, with the token of an administrator, who is refused least."""
    chosen = traversal_payloads() if payloads is None else payloads
    known = {
        "study": STUDY,
        "number": "3",
        "job_id": "1",
        "name": FILE,
        "export_id": str(service.known.export),
    }
    places = list(places_of(service.app, known))
    cases, slowest_s, findings = 0, 0.0, []
    began = time.monotonic()
    host, _, port = service.address.removeprefix("http://").partition(":")
    token = service.headers("admin")
    connection = http.client.HTTPConnection(host, int(port), timeout=_TIMEOUT_S)
    for place in places:
        for payload in chosen:
            asked = time.perf_counter()
            method, path, body, headers = _request(place, payload)
            connection.request(method, path, body, {**token, **headers})
            answer = connection.getresponse()
            content = answer.read()
            slowest_s = max(slowest_s, time.perf_counter() - asked)
            cases += 1
            leaks = [leak for leak in _LEAKS if leak in content]
            if leaks or answer.status >= 500:
                findings.append(f"{method} {path} {place.header} {body!r}: {answer.status} {leaks}")
    connection.close()
    return Outcome(
        part="names that lead out of folders",
        cases=cases,
        seconds=time.monotonic() - began,
        slowest_s=slowest_s,
        findings=tuple(findings),
        also=f"{len(chosen)} in {len(places)} places",
    )


def _request(place: Place, payload: str) -> tuple[str, str, bytes | None, dict[str, str]]:
    """Method, address, body and headers with a payload in its place."""
    headers = {"Content-Type": "application/json"}
    if place.header is not None:
        headers[place.header] = quote(payload, safe=punctuation, errors="surrogatepass")
    body = None
    if place.method in ("POST", "PUT", "PATCH"):
        body = json.dumps({} if place.body is None else {place.body: payload}).encode()
    is_query = place.query is not None
    text = quote(payload, safe="%", errors="surrogatepass") if is_query else as_segment(payload)
    return place.method, place.address(text), body, headers
