"""REST under schemathesis: requests that fit the description and requests that do not, for each scope."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, CheckFunction, GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from benchmarks.fuzz.outcome import Outcome
from benchmarks.fuzz.service import CANARY, FILE, SCOPES, STUDY, AbusedService, Known

_TIMEOUT_S: Final = 30.0
_MODES: Final = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


def fuzz_rest(service: AbusedService, cases: int) -> list[Outcome]:
    """So many cases in all, a share for the token of each scope."""
    return [_of_scope(service, scope, cases // len(SCOPES)) for scope in SCOPES]


class _Watch:
    """Sends cases and keeps what is wrong with their answers."""

    def __init__(self, service: AbusedService, scope: str) -> None:
        self._address = service.address
        self._session = requests.Session()
        self._headers = service.headers(scope)
        self.cases, self.slowest_s, self.slowest = 0, 0.0, ""
        self.findings: dict[str, str] = {}
        self.statuses: dict[int, int] = {}

    def send(self, case: Case) -> None:
        """One request; each kind of finding is kept once for each operation."""
        began = time.perf_counter()
        try:
            response = case.call(
                base_url=self._address, session=self._session, headers=self._headers, timeout=_TIMEOUT_S
            )
        except requests.exceptions.InvalidHeader:
            return  # no client can send it
        took_s = time.perf_counter() - began
        self.cases += 1
        if took_s > self.slowest_s:
            self.slowest_s, self.slowest = took_s, case.operation.label
        self.statuses[response.status_code] = self.statuses.get(response.status_code, 0) + 1
        label = case.operation.label
        if CANARY.encode() in response.content:
            self.findings[f"{label}: leaks a file"] = case.as_curl_command()
        try:
            case.validate_response(response, checks=_checks(response))
        except (Exception, BaseExceptionGroup) as failure:  # noqa: BLE001  # whatever a check raises is a finding
            self.findings.setdefault(f"{label}: {str(failure)[:600]}", case.as_curl_command())

    def close(self) -> None:
        """Close its connection."""
        self._session.close()


def _checks(response: Response) -> list[CheckFunction]:
    """A stream is described as text, which the check of schemas takes for that of each event."""
    checks = [not_a_server_error, content_type_conformance]
    is_stream = response.headers.get("content-type", [""])[0].startswith("text/event-stream")
    return checks if is_stream else [*checks, response_schema_conformance]


def _of_scope(service: AbusedService, scope: str, cases: int) -> Outcome:
    schema = schemathesis.openapi.from_dict(service.app.openapi())
    schema.config.generation.with_security_parameters = False  # the tokens are ours
    watch = _Watch(service, scope)
    began = time.monotonic()
    operations = [found.ok() for found in schema.get_all_operations()]
    per_strategy = max(1, cases // sum(len(list(_strategies(one, service.known))) for one in operations))
    for operation in operations:
        for strategy in _strategies(operation, service.known):
            _send_all(watch, strategy, per_strategy)
    watch.close()
    statuses = ", ".join(f"{count} × {status}" for status, count in sorted(watch.statuses.items()))
    return Outcome(
        part=f"REST with the scope {scope}, schemathesis",
        cases=watch.cases,
        seconds=time.monotonic() - began,
        slowest_s=watch.slowest_s,
        findings=tuple(f"{what}: {how}" for what, how in watch.findings.items()),
        also=f"{statuses}; slowest {watch.slowest}",
    )


def _strategies(operation: Any, known: Known) -> Iterator[Any]:
    """Requests that fit and that do not, for what there is and for what there is not."""
    there = _path_of(operation, known)
    for mode in _MODES:
        yield operation.as_strategy(generation_mode=mode)
        if there:
            yield operation.as_strategy(generation_mode=mode, path_parameters=there)


def _path_of(operation: Any, known: Known) -> dict[str, Any]:
    values = {"study": STUDY, "number": 3, "job_id": known.search, "export_id": known.export}
    if "export_id" in operation.path:
        values["name"] = FILE
    return {name: value for name, value in values.items() if f"{{{name}}}" in operation.path}


def _send_all(watch: _Watch, strategy: Any, cases: int) -> None:
    @settings(max_examples=cases, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def run(case: Case) -> None:
        watch.send(case)

    with suppress(Unsatisfiable):  # nothing about a request without parameters can be wrong
        run()
