"""The part of the ledger that is about measurements, which all studies share."""

from __future__ import annotations

from . import measurements
from .database import Database
from .records import LatencyRecord, QualityRecord


class MeasurementLedger:
    """Quality and latency in one database. Each method is one short transaction, durable when it returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put_quality(self, record: QualityRecord) -> bool:
        """Stores a quality unless it is known, the first writer wins; whether it was stored."""
        checked = measurements.checked_quality(record)
        return self._database.write(
            lambda connection: measurements.put_quality(connection, checked), idempotent=True
        )

    def quality(self, supernet_sha256: str, key: str, data_sha256: str, stage: int) -> QualityRecord | None:
        """The quality of a sub-network on the first `stage` examples."""
        return self._database.read(
            lambda connection: measurements.read_quality(connection, supernet_sha256, key, data_sha256, stage)
        )

    def quality_stages(self, supernet_sha256: str, key: str, data_sha256: str) -> list[QualityRecord]:
        """What is known of a sub-network on the data, by rising stage."""
        return self._database.read(
            lambda connection: measurements.read_quality_stages(connection, supernet_sha256, key, data_sha256)
        )

    def put_latency(self, record: LatencyRecord) -> None:
        """Adds a latency measurement, unless it is that of the shape which was added last."""
        checked = measurements.checked_latency(record)
        self._database.write(
            lambda connection: measurements.put_latency(connection, checked), idempotent=True
        )

    def latency(self, shape_key: str, target: str, workload_sha256: str) -> LatencyRecord | None:
        """The newest valid latency measurement of a shape."""
        return self._database.read(
            lambda connection: measurements.read_latency(connection, shape_key, target, workload_sha256)
        )

    def latencies(
        self,
        *,
        target: str | None = None,
        workload_sha256: str | None = None,
        include_invalid: bool = False,
    ) -> list[LatencyRecord]:
        """Latency measurements, oldest first."""
        return self._database.read(
            lambda connection: measurements.read_latencies(
                connection, target, workload_sha256, include_invalid=include_invalid
            )
        )
