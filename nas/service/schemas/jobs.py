"""Jobs as they are asked for and answered."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Status: TypeAlias = Literal[
    "queued", "running", "pausing", "stopping", "paused", "completed", "failed", "cancelled", "lost"
]
State: TypeAlias = Literal["QUEUED", "RUNNING", "PAUSED", "COMPLETED", "FAILED", "CANCELLED"]
Kind: TypeAlias = Literal["search", "export"]
#: Of headers and queries; anything longer is no page of ours.
PageToken: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,18}$")]


class Body(BaseModel):
    """A request's body: keys that are not known are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class JobSubmission(Body):
    """A search to run: its config, as JSON or as the text of a config file."""

    config: dict[str, Any] | None = Field(
        default=None, description="as in a config file; without `storage`, `workers` and paths"
    )
    yaml: str | None = Field(default=None, max_length=256 * 1024, description="the same as YAML")

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if (self.config is None) is (self.yaml is None):
            raise ValueError("give either config or yaml")
        return self


class JobEdit(Body):
    """Another budget of a search."""

    trials: int = Field(ge=1, le=10_000_000, description="total of evaluated sub-networks")


class Progress(BaseModel):
    """How far a search is."""

    done: int = Field(description="evaluated sub-networks of the study, those of earlier jobs included")
    total: int | None = Field(description="that it may evaluate in all")


class Job(BaseModel):
    """A search or an export that runs, waits or is over."""

    id: int
    kind: Kind
    study: str = Field(description="name; a search makes the study when its supernet is ready")
    status: Status = Field(description="what it does now; lost if what ran it died")
    state: State = Field(description="as it was last written")
    request: Literal["run", "pause", "stop"] = Field(description="what was last asked of it")
    trials: int | None = Field(description="budget of a search")
    account: str | None = Field(description="who submitted it; null for one of a command")
    restarts: int = Field(description="how often it was started again after a failure")
    exit_code: int | None = Field(description="as `nas search run` would have ended with")
    reason: str | None = Field(description="why it is in its state")
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    progress: Progress | None = Field(description="of a search")
    config: dict[str, Any] | None = Field(description="of a search, when one job is asked for")


class JobPage(BaseModel):
    """Jobs, the newest first."""

    jobs: list[Job]
    next_page_token: str | None = Field(description="null on the last page")


class LogPage(BaseModel):
    """A part of a job's log."""

    text: str = Field(description="whole lines; without folders of the machine and passwords")
    next_offset: int = Field(description="where the next part begins, in bytes")
    is_end: bool = Field(description="whether the job is over and this is the end of its log")
