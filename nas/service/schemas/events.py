"""Events of jobs and studies as they are told."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field


class JobEvent(BaseModel):
    """One line of the log of what happened to a job or its study; the stream's last one is of kind `end`."""

    id: int | None = Field(description="what a client that comes back gives as Last-Event-ID; null for `end`")
    at: datetime | None
    kind: str = Field(description="such as trial_completed, job_state_changed")
    payload: dict[str, Any] = Field(description="what is to be told of it, by kind")


class StudyEvents(BaseModel):
    """What happened to a study last, oldest first."""

    events: list[JobEvent]
