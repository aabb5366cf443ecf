"""Trials as they are answered."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, create_model

from nas.study.trial import Trial as StudyTrial

State: TypeAlias = Literal["PROPOSED", "RUNNING", "PAUSED", "DONE", "FAILED", "INFEASIBLE", "DUPLICATE"]


class Sizes(BaseModel):
    """Sizes of a sub-network as tables show them; a range such as `8-12` where kept layers differ."""

    layers: str = Field(description="an encoder's and its decoder's as `6+2`")
    heads: str = Field(description="of grouped-query attention with the key-value heads, as `9/3`")
    ffn: str
    hidden: str


class Trial(BaseModel):
    """A sub-network of a study and what is known about it."""

    id: str = Field(description="`STUDY@NUMBER`, as commands take it")
    number: int = Field(description="within the study, from 0")
    state: State = Field(
        description="PAUSED: stopped early, the metrics are estimates; INFEASIBLE: never evaluated"
    )
    origin: str = Field(description="who asked for it: `sampler`, `seed:…` or `baseline:…`")
    architecture: str = Field(description="its sizes in short")
    portability: str = Field(
        description="`plain` loads with the stock class, `custom-code` with its own file"
    )
    parameters: dict[str, int] = Field(description="point of the search space; empty outside it")
    metrics: dict[str, float] = Field(description="costs and measurements by name")
    violations: dict[str, float] = Field(description="by budget, how far it is broken; at most 0 where held")
    is_feasible: bool = Field(description="whether it was evaluated and every budget holds")
    reason: str | None = Field(description="why it failed, is infeasible or was paused")
    sizes: Sizes


FIELDS: Final = tuple(Trial.model_fields)

#: A trial of which a client may want some fields only; what was not asked for is left out.
TrialPart: Final = create_model(
    "TrialPart",
    __doc__="A sub-network of a study; with `fields`, only those.",
    **{name: (field.annotation | None, None) for name, field in Trial.model_fields.items()},  # type: ignore[call-overload, operator]  # made at run time
)


class TrialPage(BaseModel):
    """Some of the trials that were asked for."""

    trials: list[TrialPart]  # type: ignore[valid-type]  # made at run time
    total: int = Field(description="on all pages")
    next_page_token: str | None = Field(description="null on the last page")


class Front(BaseModel):
    """Members of the Pareto front, the best in the first objective first."""

    trials: list[Trial]


Budget: TypeAlias = Annotated[str, StringConstraints(max_length=200)]


class SelectionRequest(BaseModel):
    """Budgets to select under, besides the study's own."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    where: list[Budget] = Field(default=[], max_length=16, description="such as `latency_ms <= 8`")
    recovered: bool = Field(default=False, description="choose among recovered sub-networks, by their scores")


class Comparison(BaseModel):
    """Sub-networks side by side, with what needed no search."""

    trials: list[Trial]
    cost: str = Field(description="metric by which the uniform sub-networks are the nearest")
    full: Trial | None = Field(description="the full model; null before it was evaluated")
    uniform: list[Trial | None] = Field(
        description="for each trial, the uniform one that costs about as much"
    )
    dimensions: dict[str, list[int | None]] = Field(description="those in which the trials differ")


def trial_document(trial: StudyTrial) -> dict[str, Any]:
    """A trial as it is answered."""
    sizes = trial.sizes
    own = {"layers": sizes.layers, "heads": sizes.heads, "ffn": sizes.ffn, "hidden": sizes.hidden}
    return {**trial.to_json(), "sizes": own}
