"""What a service says about itself: metrics of one application, in a registry of its own."""

from __future__ import annotations

import platform
import threading
import time
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST as CONTENT_TYPE
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from nas._version import __version__
from nas.jobs.job_status import status_of
from storage import HEAD_REVISION, Ledger, StorageFault

__all__ = ["CONTENT_TYPE", "LedgerStanding", "Metrics", "standing_of"]

#: How long counts of jobs and studies are kept: a scrape costs the database two reads at most.
KEPT_S: Final = 5.0
#: Around the goal of 250 ms, where a change of its share shows.
BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.175, 0.25, 0.5, 1.0, 2.5, 10.0)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How many there are, by status of a job and state of a study."""

    jobs: Mapping[str, int]
    studies: Mapping[str, int]


class Metrics:
    """Metrics of one application; threads may share them.

    Args:
        standing: counts jobs and studies; called at a scrape, at most once in `KEPT_S`.
    """

    def __init__(self, standing: Callable[[], Standing] | None = None) -> None:
        self._registry = CollectorRegistry()
        asked = ("method", "route", "status")
        self._requests = Counter("nas_http_requests", "Requests answered.", asked, registry=self._registry)
        self._seconds = Histogram(
            "nas_http_request_duration_seconds",
            "Time to answer, event streams left out.",
            ("method", "route"),
            buckets=BUCKETS_S,
            registry=self._registry,
        )
        self._streams = Gauge("nas_http_streams_open", "Event streams open now.", registry=self._registry)
        self._database = Histogram(
            "nas_database_duration_seconds",
            "Time of a transaction, waiting for the database included.",
            ("kind",),
            buckets=BUCKETS_S,
            registry=self._registry,
        )
        self._failures = Counter(
            "nas_database_failures", "Transactions that failed.", ("kind",), registry=self._registry
        )
        Info("nas_build", "Version of the service.", registry=self._registry).info(
            {"version": __version__, "python": platform.python_version(), "schema": HEAD_REVISION}
        )
        ProcessCollector(registry=self._registry)
        if standing is not None:
            self._registry.register(LedgerStanding(standing))

    def answered(self, method: str, route: str, status: int, seconds: float | None) -> None:
        """Count an answer.

        Args:
            method: any other than HTTP's own is counted as OTHER.
            route: template of its path, never the path itself.
            status: HTTP status.
            seconds: it took; None for a stream, whose length says nothing of the service.
        """
        verb = method if method in _METHODS else "OTHER"
        self._requests.labels(verb, route, str(status)).inc()
        if seconds is not None:
            self._seconds.labels(verb, route).observe(seconds)

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Count a stream as open."""
        with self._streams.track_inprogress():
            yield

    def database_answered(self, kind: str, seconds: float, fault: StorageFault | None) -> None:
        """Count a transaction; the observer of an `ObservedLedger`.

        Args:
            kind: `read` or `write`.
            seconds: it took, waiting for the database included.
            fault: what it failed of.
        """
        self._database.labels(kind).observe(seconds)
        if fault is not None:
            self._failures.labels(kind).inc()

    def exposed(self) -> bytes:
        """All of them in the text format of Prometheus, `CONTENT_TYPE`."""
        return generate_latest(self._registry)


class LedgerStanding(Collector):
    """Counts of jobs and studies, and whether the database could be asked for them.

    Args:
        read: counts them; a `StorageFault` of it is shown as `nas_database_up 0`.
        kept_s: how long counts are used again.
    """

    def __init__(self, read: Callable[[], Standing], *, kept_s: float = KEPT_S) -> None:
        self._read, self._kept_s = read, kept_s
        self._lock = threading.Lock()
        self._found: Standing | None = None
        self._until = float("-inf")

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Names, without asking the database."""
        return _families(None)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The counts as they were within `kept_s`."""
        with self._lock:
            if time.monotonic() >= self._until:
                try:
                    self._found = self._read()
                except StorageFault:
                    self._found = None
                self._until = time.monotonic() + self._kept_s
            return _families(self._found)


def standing_of(ledger: Ledger) -> Standing:
    """Count the jobs and studies of a database.

    Raises:
        StorageFault: it cannot be read.
    """
    return Standing(
        jobs=Tally(status_of(job) for job in ledger.jobs()),
        studies=Tally(study.state.value.lower() for study in ledger.study_statuses()),
    )


def _families(found: Standing | None) -> list[GaugeMetricFamily]:
    jobs = GaugeMetricFamily("nas_jobs", "Jobs by what they do now.", labels=["status"])
    studies = GaugeMetricFamily("nas_studies", "Studies by state.", labels=["state"])
    up = GaugeMetricFamily(
        "nas_database_up", "Whether the database answered.", value=float(found is not None)
    )
    for family, counts in ((jobs, found and found.jobs), (studies, found and found.studies)):
        for name, count in sorted((counts or {}).items()):
            family.add_metric([name], count)
    return [jobs, studies, up]
