"""What operators and their tools ask: does it live, is it ready, what are its figures."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from fastapi import APIRouter, Request, Response

from nas.service.context import Reader, Service, ServiceOf
from nas.service.metrics import CONTENT_TYPE, Metrics
from nas.service.problems import ProblemError, problems
from nas.service.schemas.operations import Health, Readiness
from storage import HEAD_REVISION, Ledger, StorageFault, current_revision

router = APIRouter(tags=["operations"])

#: Below this neither a supernet nor an export is sure to fit.
MIN_FREE_BYTES: Final = 512 * 1024 * 1024
#: How long a found schema is believed: it changes by `nas db upgrade` only.
_SCHEMA_KEPT_S: Final = 30.0


class SchemaProbe:
    """The revision of a database's tables, read at most once in a while.

    Args:
        read: the revision; opens a connection of its own.
    """

    def __init__(self, read: Callable[[str], str | None] = current_revision) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._found: tuple[str | None, float] = (None, float("-inf"))

    def revision(self, url: str) -> str | None:
        """The revision; None where there are no tables.

        Raises:
            StorageFault: the database cannot be read.
        """
        with self._lock:
            revision, until = self._found
            if time.monotonic() >= until or revision != HEAD_REVISION:
                revision = self._read(url)
                self._found = (revision, time.monotonic() + _SCHEMA_KEPT_S)
            return revision


@router.get("/healthz", operation_id="get_health", summary="Whether the process answers")
async def get_health() -> Health:
    """For everybody, and always the same: it asks no database."""
    return Health(status="ok")


@router.get(
    "/readyz",
    operation_id="get_readiness",
    summary="Whether work is taken",
    responses=problems(503),
)
def get_readiness(identity: Reader, service: ServiceOf, request: Request) -> Readiness:
    """503 names the parts that are not ready."""
    del identity
    checks = {
        "database": _database(request.app.state.probe),
        "schema": _schema(service, request.app.state.schema_probe),
        "dispatcher": "ok" if service.dispatcher.is_alive else "stopped",
        "disk": _disk(service.settings.artifacts),
    }
    failing = sorted(name for name, found in checks.items() if found != "ok")
    if failing:
        raise ProblemError(
            503,
            "not-ready",
            f"not ready: {', '.join(failing)}; the service's log says more",
            headers={"Retry-After": "5"},
            checks=checks,
        )
    return Readiness(status="ready", checks=checks)


@router.get(
    "/metrics",
    operation_id="get_metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={
        **problems(),
        200: {"content": {"text/plain": {}}, "description": "text format of Prometheus"},
    },
)
def get_metrics(identity: Reader, request: Request) -> Response:
    """Needs a token with the scope `read`."""
    del identity
    metrics: Metrics = request.app.state.metrics
    return Response(metrics.exposed(), headers={"Content-Type": CONTENT_TYPE})


def _database(probe: Ledger) -> Literal["ok", "unreachable"]:
    try:
        probe.readable()
    except StorageFault:
        return "unreachable"
    return "ok"


def _schema(service: Service, probe: SchemaProbe) -> str:
    try:
        found = probe.revision(service.settings.storage.url)
    except StorageFault:
        return "unknown"
    return "ok" if found == HEAD_REVISION else f"revision {found or 'none'}, needed is {HEAD_REVISION}"


def _disk(artifacts: Path) -> Literal["ok", "full", "missing"]:
    """Whether the folder of exports, or the nearest one above it that there is, has room."""
    there = next((folder for folder in (artifacts, *artifacts.absolute().parents) if folder.is_dir()), None)
    if there is None:
        return "missing"
    return "ok" if shutil.disk_usage(there).free >= MIN_FREE_BYTES else "full"
