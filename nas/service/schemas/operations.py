"""Answers of the operations routes."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"]


class Readiness(BaseModel):
    """The service takes work."""

    status: Literal["ready"]
    checks: dict[str, str] = Field(description="database, schema, dispatcher and disk, each `ok`")
