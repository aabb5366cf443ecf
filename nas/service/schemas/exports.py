"""Exports as they are asked for and answered."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import BaseModel, Field, StringConstraints, model_validator

from nas.service.schemas.jobs import Body, State, Status

Format: TypeAlias = Literal["hf", "onnx", "openvino"]
Budget: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class ExportSubmission(Body):
    """A sub-network to hand over: a trial, or the best within budgets."""

    study: str = Field(min_length=1, max_length=200)
    trial: int | None = Field(default=None, ge=0, le=2**31 - 1)
    where: list[Budget] | None = Field(
        default=None, max_length=16, description="budgets besides the study's own, such as `latency_ms <= 8`"
    )
    formats: list[Format] | None = Field(
        default=None, min_length=1, max_length=3, description="those of the study's config unless given"
    )
    weights: Literal["auto", "supernet", "recovered"] = Field(
        default="auto", description="recovered ones, those that were searched, or the best there are"
    )

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if (self.trial is None) is (self.where is None):
            raise ValueError("give either trial or where (an empty list for the study's own budgets)")
        return self


class FileOfExport(BaseModel):
    """A file to download."""

    name: str = Field(description="within the folder, with slashes")
    sha256: str
    size_bytes: int
    url: str = Field(description="where it is downloaded, on this server")


class Export(BaseModel):
    """A sub-network as an ordinary model folder."""

    id: int
    study: str
    trial: int | None = Field(description="null while the best within the budgets is not chosen yet")
    where: list[str] = Field(description="budgets that it was chosen by")
    formats: list[str] | None = Field(description="null for those of the study's config")
    weights: str
    status: Status
    state: State
    account: str | None
    reason: str | None = Field(description="why it is in its state")
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    files: list[FileOfExport] = Field(description="none until it is completed")
    archive: str | None = Field(description="where all files are downloaded as one zip, on this server")


class ExportPage(BaseModel):
    """Exports, the newest first."""

    exports: list[Export]
    next_page_token: str | None = Field(description="null on the last page")
