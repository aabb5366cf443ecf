"""What operators ask a service: does it live, is it ready, what are its figures."""

from __future__ import annotations

import shutil
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from nas.service.application import create_app
from nas.service.authentication import issue_token
from nas.service.routes.operations import SchemaProbe
from nas.service.settings import load_settings
from storage import HEAD_REVISION, Ledger, UnreachableError

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def operated(tmp_path: Path) -> Iterator[TestClient]:
    """A service on an empty database, asked with a token that may read."""
    url = f"sqlite:///{tmp_path / 'nas.db'}"
    with Ledger.open(url) as ledger:
        token = issue_token(ledger, "operator", ["read"])
    settings = load_settings(storage={"url": url, "artifacts": "artifacts"}, folder=str(tmp_path))
    with TestClient(create_app(settings), headers={"Authorization": f"Bearer {token}"}) as client:
        yield client


def test_health_needs_no_token_and_says_nothing(operated: TestClient) -> None:
    answer = operated.get("/healthz", headers={"Authorization": ""})
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/readyz", "/metrics"])
def test_readiness_and_metrics_need_a_token(operated: TestClient, path: str) -> None:
    assert operated.get(path, headers={"Authorization": "Bearer wrong"}).status_code == 401


def test_a_service_that_takes_work_is_ready(operated: TestClient) -> None:
    answer = operated.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["checks"] == {"database": "ok", "schema": "ok", "dispatcher": "ok", "disk": "ok"}


def test_a_database_that_is_away_makes_it_unready_but_not_unhealthy(
    operated: TestClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def away(self: Ledger) -> None:
        raise UnreachableError(f"sqlite:///{tmp_path}/nas.db", "gone")

    monkeypatch.setattr(Ledger, "readable", away)
    answer = operated.get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"]
    assert answer.json()["checks"]["database"] == "unreachable"
    assert str(tmp_path) not in answer.text
    assert operated.get("/healthz").status_code == 200


def test_a_full_disk_makes_it_unready(operated: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(2**40, 2**40, 1000))
    assert operated.get("/readyz").json()["checks"]["disk"] == "full"


def test_a_dispatcher_that_ended_makes_it_unready(operated: TestClient) -> None:
    operated.app.state.service.dispatcher.close()  # type: ignore[attr-defined]
    answer = operated.get("/readyz")
    assert (answer.status_code, answer.json()["checks"]["dispatcher"]) == (503, "stopped")


def test_tables_of_another_version_make_it_unready(operated: TestClient) -> None:
    operated.app.state.schema_probe = SchemaProbe(lambda url: "0001")  # type: ignore[attr-defined]
    answer = operated.get("/readyz")
    assert answer.json()["checks"]["schema"] == f"revision 0001, needed is {HEAD_REVISION}"


def test_the_schema_is_read_once_for_probes_close_together() -> None:
    calls = []

    def read(url: str) -> str:
        calls.append(url)
        return HEAD_REVISION

    probe = SchemaProbe(read)
    assert [probe.revision("sqlite:///nas.db") for _ in range(3)] == [HEAD_REVISION] * 3
    assert len(calls) == 1


def test_metrics_count_what_was_answered(operated: TestClient) -> None:
    operated.get("/api/v1/studies/none")
    text = operated.get("/metrics").text
    route = 'method="GET",route="/api/v1/studies/{study}"'
    assert f'nas_http_requests_total{{{route},status="404"}} 1.0' in text
    assert "nas_database_up 1.0" in text
    assert f'schema="{HEAD_REVISION}"' in text


def test_requests_that_are_refused_at_the_gate_are_counted_too(operated: TestClient) -> None:
    operated.get("/api/v1/studies", headers={"Authorization": "Bearer wrong"})
    text = operated.get("/metrics").text
    assert 'nas_http_requests_total{method="GET",route="unmatched",status="401"} 1.0' in text
