"""Profiles of search spaces as they are asked for and answered."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class ProfileRequest(BaseModel):
    """The search whose space is to be profiled."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    config: dict[str, Any] = Field(description="as of a job")


class Profile(BaseModel):
    """Costs over a space, and whether each budget can be met."""

    space: str = Field(description="its kind")
    cardinality: int = Field(description="number of points")
    costs: dict[str, dict[str, float]] = Field(
        description="of the points `smallest`, `middle`, `largest` and `full`, the exact costs by name"
    )
    satisfiable: dict[str, float] = Field(
        description="by budget on an exact cost, the share of random sub-networks that meet it"
    )
    unknown: list[str] = Field(description="budgets that only an evaluation can answer")
