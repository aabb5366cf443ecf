"""The section of the config file that says how sub-networks are proposed and when their evaluation stops."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from nas.config.durations import parse_duration
from nas.config.sections import Section

SeedName: TypeAlias = Literal[
    "full",
    "smallest",
    "middle",
    "uniform_ladder",
    "layer_drop",
    "random",
    "importance_ladder",
    "greedy",
    "knapsack",
]


class RacingSection(Section):
    """How evaluations are stopped early."""

    stages: Annotated[
        tuple[Annotated[int, Field(ge=1, le=1_000_000_000)] | Literal["all"], ...], Field(max_length=100)
    ] = Field(
        default=(),
        description="examples after which a sub-network is judged, e.g. [64, 256, all]; empty takes 32 and "
        "half as many again each time",
    )
    confidence: float = Field(
        default=0.85, gt=0.5, lt=1, description="of the bound that keeps a sub-network in the race, one-sided"
    )
    bound: Literal["normal", "anytime"] = Field(
        default="normal",
        description="normal errors of means, or a bound for any distribution and all stages together, which "
        "needs a metric that scores examples from 0 to 1",
    )
    rescue: bool = Field(
        default=True, description="continues paused sub-networks that may still be on the front"
    )


class SearchSection(Section):
    """How sub-networks are proposed and how many."""

    sampler: Literal[
        "nsga2", "nsga3", "tpe", "gp", "random", "local_search", "evolution", "greedy", "grid"
    ] = Field(default="evolution", description="who proposes sub-networks")
    trials: int = Field(default=200, ge=1, le=1_000_000, description="sub-networks to propose")
    timeout_s: (
        Annotated[float, BeforeValidator(parse_duration, json_schema_input_type=float | str)] | None
    ) = Field(
        default=None, alias="timeout", description="time after which no trial is started, e.g. 4h, 30m, 90s"
    )
    parallel: int = Field(
        default=4, ge=1, le=4096, description="sub-networks proposed at once in deterministic mode"
    )
    max_failed: int = Field(
        default=10, ge=0, description="failed trials above which the search counts as failed"
    )
    seed: int = Field(default=0, ge=0, le=2**32 - 1, description="seed of all random choices")
    deterministic: bool = Field(
        default=False, description="the same seed gives the same trials in every run, at some speed"
    )
    racing: RacingSection | None = Field(
        default_factory=RacingSection,
        description="stops evaluations that cannot reach the front; null evaluates all in full",
    )
    enqueue: tuple[SeedName, ...] = Field(
        default=("full", "smallest", "middle", "uniform_ladder", "layer_drop", "knapsack", "random"),
        description="sub-networks to evaluate first, baselines among them",
    )
