"""Studies as they are answered."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

from pydantic import BaseModel, Field

from nas.service.schemas.trials import Trial
from nas.service.views.marks import MarkKind

State: TypeAlias = Literal["QUEUED", "RUNNING", "PAUSED", "COMPLETED", "FAILED", "CANCELLED"]


class StudySummary(BaseModel):
    """A study and what came of it so far."""

    name: str
    state: State
    reason: str | None = Field(description="why it is in its state")
    account: str | None = Field(description="whose it is; null for one made on the server itself")
    model: str = Field(description="the pretrained model")
    task: str
    target: str | None = Field(description="what latency is measured on; null without latency")
    objectives: list[str]
    constraints: list[str] = Field(description="budgets")
    num_trials: int
    num_evaluated: int = Field(description="evaluated to the end, failed, or stopped early")
    num_front: int = Field(description="members of the Pareto front")
    hypervolume: float | None = Field(description="null until the full model was measured")
    best: Trial | None = Field(description="best in the first objective within the budgets")
    created_at: datetime
    job_id: int | None = Field(description="its newest job; null without one")
    is_live: bool = Field(description="whether it runs, or is about to")


class StudyPage(BaseModel):
    """Studies, the newest first."""

    studies: list[StudySummary]
    next_page_token: str | None = Field(description="null on the last page")


class HypervolumeStep(BaseModel):
    """A trial that enlarged the hypervolume."""

    number: int
    told: int = Field(description="trials that had become final by then")
    at: datetime
    value: float = Field(description="hypervolume from then on")


class Hypervolume(BaseModel):
    """Share of the box between reference and ideal that feasible trials dominate, over the search."""

    value: float | None = Field(description="now; null until the full model was measured")
    told: int = Field(description="trials that are final now")
    reference_point: dict[str, float] | None
    points: list[HypervolumeStep]


class BaselineGain(BaseModel):
    """A baseline against the best that the search found at no greater cost."""

    number: int = Field(description="of the baseline's trial")
    found: int | None = Field(
        description="number of the best of the search; null where nothing costs as little"
    )
    gain: float | None = Field(description="in the first objective; positive where the search is better")


class Baselines(BaseModel):
    """Evaluated sub-networks that needed no search, the full model among them."""

    trials: list[Trial]
    gains: list[BaselineGain] = Field(description="in the order of the trials")


class Point(BaseModel):
    """A sub-network in a plot."""

    number: int
    values: list[float] = Field(description="of the objectives in their order; estimates of a paused one")
    kind: MarkKind
    label: str = Field(description="of a baseline, who asked for it; else empty")
    architecture: str


class Points(BaseModel):
    """The front, all baselines, the best within the budgets, and a share of the others."""

    objectives: list[str]
    points: list[Point]


class Importances(BaseModel):
    """Which dimensions of the space decide each objective (PED-ANOVA)."""

    shares: dict[str, dict[str, float]] = Field(
        description="by objective, the largest first; empty where there are too few trials to tell"
    )
