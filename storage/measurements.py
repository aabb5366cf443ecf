"""Measurements, shared by all studies: quality by weights and data, latency by shape and target."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, and_, bindparam, select
from sqlalchemy import insert as generic_insert
from sqlalchemy.dialects import postgresql, sqlite

from .columns import database_clock
from .records import LatencyRecord, QualityRecord
from .tables import latency, quality
from .values import finite_metrics

_QUALITY_COLUMNS = tuple(quality.c[field.name] for field in dataclasses.fields(QualityRecord))
_LATENCY_COLUMNS = tuple(latency.c[field.name] for field in dataclasses.fields(LatencyRecord))

# Built once: building a statement takes longer than running it.
_IS_SUBNET = and_(
    quality.c.supernet_sha256 == bindparam("at_supernet"),
    quality.c.key == bindparam("at_key"),
    quality.c.data_sha256 == bindparam("at_data"),
)
_READ_STAGES = select(*_QUALITY_COLUMNS).where(_IS_SUBNET).order_by(quality.c.stage)
_READ_QUALITY = select(*_QUALITY_COLUMNS).where(_IS_SUBNET, quality.c.stage == bindparam("at_stage"))
_PUT_QUALITY: Final = {
    name: dialect.insert(quality)
    .values(created_at=database_clock())
    .on_conflict_do_nothing()
    .returning(quality.c.stage)
    for name, dialect in (("sqlite", sqlite), ("postgresql", postgresql))
}


def checked_quality(record: QualityRecord) -> QualityRecord:
    """The record with finite floats; raises ValueError."""
    seconds = finite_metrics({"seconds": record.seconds})["seconds"]
    if record.stage <= 0:
        raise ValueError(f"stage {record.stage}: give the number of examples, at least 1")
    return dataclasses.replace(record, metrics=finite_metrics(record.metrics), seconds=seconds)


def checked_latency(record: LatencyRecord) -> LatencyRecord:
    """The record with finite floats; raises ValueError."""
    return dataclasses.replace(record, statistics=finite_metrics(record.statistics, "statistic"))


def put_quality(connection: Connection, record: QualityRecord) -> bool:
    """Stores a record with checked metrics unless there is one; whether it was stored."""
    row = {column.name: getattr(record, column.name) for column in _QUALITY_COLUMNS}
    return connection.execute(_PUT_QUALITY[connection.dialect.name], row).one_or_none() is not None


def read_quality(
    connection: Connection, supernet_sha256: str, key: str, data_sha256: str, stage: int
) -> QualityRecord | None:
    """The record of a sub-network on the first `stage` examples, None if it was never evaluated there."""
    place = {**_subnet(supernet_sha256, key, data_sha256), "at_stage": stage}
    row = connection.execute(_READ_QUALITY, place).one_or_none()
    return None if row is None else QualityRecord(**row._mapping)


def read_quality_stages(
    connection: Connection, supernet_sha256: str, key: str, data_sha256: str
) -> list[QualityRecord]:
    """Records of a sub-network on some data by rising stage."""
    rows = connection.execute(_READ_STAGES, _subnet(supernet_sha256, key, data_sha256))
    return [QualityRecord(**row._mapping) for row in rows]


def put_latency(connection: Connection, record: LatencyRecord) -> None:
    """Adds a measurement with checked statistics; earlier ones are kept.

    Two measurements never agree in each sample: an equal one is the same, handed in again.
    """
    query = _latencies(record.target, record.workload_sha256).where(latency.c.shape_key == record.shape_key)
    last = connection.execute(query.order_by(latency.c.id.desc()).limit(1)).one_or_none()
    if last is not None and _latency(last) == dataclasses.replace(record, created_at=last.created_at):
        return
    row = {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
    row |= {"device": dict(record.device), "created_at": database_clock()}
    connection.execute(generic_insert(latency).values(**row))


def read_latency(
    connection: Connection, shape_key: str, target: str, workload_sha256: str
) -> LatencyRecord | None:
    """The newest valid measurement of a shape."""
    query = _latencies(target, workload_sha256).where(latency.c.shape_key == shape_key, latency.c.valid)
    row = connection.execute(query.order_by(latency.c.id.desc()).limit(1)).one_or_none()
    return None if row is None else _latency(row)


def read_latencies(
    connection: Connection, target: str | None, workload_sha256: str | None, *, include_invalid: bool
) -> list[LatencyRecord]:
    """Measurements in the order in which they were stored."""
    query = _latencies(target, workload_sha256)
    if not include_invalid:
        query = query.where(latency.c.valid)
    return [_latency(row) for row in connection.execute(query.order_by(latency.c.id))]


def _latencies(target: str | None, workload_sha256: str | None) -> Select[Any]:
    query = select(*_LATENCY_COLUMNS)
    if target is not None:
        query = query.where(latency.c.target == target)
    if workload_sha256 is not None:
        query = query.where(latency.c.workload_sha256 == workload_sha256)
    return query


def _subnet(supernet_sha256: str, key: str, data_sha256: str) -> dict[str, str]:
    return {"at_supernet": supernet_sha256, "at_key": key, "at_data": data_sha256}


def _latency(row: Row[Any]) -> LatencyRecord:
    return LatencyRecord(**row._mapping)
