"""What happened to a job: its own lines of the log and those of its study since it was created."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, Integer, Select, and_, bindparam, func, select, union_all

from .job_rows import unknown_job
from .records import EventRecord
from .tables import event, job, study

_LIMIT = bindparam("at_most", type_=Integer)


def _half(is_wanted: ColumnElement[bool]) -> Select[tuple[object, ...]]:
    return select(select(event).where(is_wanted).order_by(event.c.id).limit(_LIMIT).subquery())


# Built once: building a statement takes longer than running it. Each half follows an index of its own; an
# OR of both would read the log of every study. One statement reads both, so that it sees one moment.
_CREATED = select(func.min(event.c.id)).where(event.c.job_id == job.c.id).scalar_subquery()
_READ_JOB = select(job.c.study, _CREATED.label("created")).where(job.c.id == bindparam("at_job"))
_STUDY_ID = select(study.c.id).where(study.c.name == bindparam("at_name")).scalar_subquery()
_LINES = union_all(
    _half(and_(event.c.job_id == bindparam("at_job"), event.c.id > bindparam("after"))),
    _half(and_(event.c.study_id == _STUDY_ID, event.c.id > bindparam("after_both"))),
).subquery()
_READ_LINES = select(_LINES).order_by(_LINES.c.id).limit(_LIMIT)


def read_job_events(connection: Connection, job_id: int, *, after: int, limit: int) -> list[EventRecord]:
    """Lines with an id above `after`, oldest first.

    Raises:
        UnknownJobError: there is no such job.
    """
    row = connection.execute(_READ_JOB, {"at_job": job_id}).one_or_none()
    if row is None:
        raise unknown_job(connection, job_id)
    place = {"at_job": job_id, "at_name": row.study, "at_most": limit}
    bounds = {"after": after, "after_both": max(after, row.created or 0)}
    return [EventRecord(**line) for line in connection.execute(_READ_LINES, place | bounds).mappings()]
