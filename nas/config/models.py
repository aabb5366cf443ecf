"""The whole config of one search."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from nas.config.recovery import RecoverySection
from nas.config.search import SearchSection
from nas.config.sections import (
    DataSection,
    EvaluationSection,
    ExportSection,
    ModelSection,
    Section,
    StorageSection,
    SupernetSection,
    TargetSection,
    Text,
    WorkersSection,
)
from nas.config.space import SpaceSection

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_OBJECTIVE = re.compile(r"\s*(max|min)\s+\S+\s*")
_CONSTRAINT = re.compile(r"\s*\w+\s*(<=|>=)\s*[-+.0-9].*")
_PASSWORD = re.compile(r"(://[^/:@\s]*:)\S*(?=@)|([?&]password=)[^&\s]*")


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(
            "start with a letter or digit; then up to 99 letters, digits, dots, hyphens, underscores"
        )
    return name


def _check_objective(text: str) -> str:
    if not _OBJECTIVE.fullmatch(text):
        raise ValueError("write (max|min) METRIC, e.g. max accuracy")
    return text


def _check_constraint(text: str) -> str:
    if not _CONSTRAINT.fullmatch(text):
        raise ValueError("write METRIC (<=|>=) NUMBER [UNIT] [* baseline], e.g. latency_ms <= 8")
    return text


ObjectiveText: TypeAlias = Annotated[Text, AfterValidator(_check_objective)]
ConstraintText: TypeAlias = Annotated[Text, AfterValidator(_check_constraint)]


class SearchConfig(Section):
    """A search from the pretrained model to the export.

    Metrics and units in objectives and constraints are checked by `nas.objectives` when the study starts.
    """

    version: Literal[1] = Field(description="version of this format")
    name: Annotated[Text, AfterValidator(_check_name)] = Field(description="name of the study")
    model: ModelSection = Field(description="the pretrained model")
    space: SpaceSection = Field(default=SpaceSection(), description="what is searched")
    supernet: SupernetSection = Field(
        default=SupernetSection(), description="ranking and training of the supernet"
    )
    data: DataSection = Field(description="examples")
    evaluation: EvaluationSection = Field(default=EvaluationSection(), description="how quality is measured")
    target: TargetSection | None = Field(
        default=TargetSection(), description="device that latency is measured on; null measures none"
    )
    objectives: tuple[ObjectiveText, ...] = Field(
        min_length=1, max_length=4, description="one to four, e.g. [max accuracy, min latency_ms]"
    )
    constraints: tuple[ConstraintText, ...] = Field(
        default=(), max_length=32, description='budgets, e.g. ["num_parameters <= 0.6 * baseline"]'
    )
    search: SearchSection = Field(default=SearchSection(), description="sampler and budget")
    recovery: RecoverySection | None = Field(
        default=None, description="training of the best sub-networks after the search; null trains none"
    )
    workers: WorkersSection = Field(default=WorkersSection(), description="where sub-networks are evaluated")
    storage: StorageSection = Field(default=StorageSection(), description="where results are kept")
    export: ExportSection = Field(default=ExportSection(), description="what is written in the end")

    @model_validator(mode="after")
    def _training_has_data(self) -> SearchConfig:
        trainings = {
            "supernet.finetune": self.supernet.finetune,
            "supernet.train": self.supernet.train,
            "recovery": self.recovery,
        }
        for key, section in trainings.items():
            if section is not None and self.data.train is None:
                raise ValueError(f"{key} is set but data.train is not; give data.train, or set {key} to null")
        return self

    def resolved(self) -> dict[str, Any]:
        """All keys with their values, as JSON types, to be stored with the study.

        A password in `storage.url` is replaced by `***`.
        """
        values = self.model_dump(mode="json", by_alias=True)
        values["storage"]["url"] = mask_password(self.storage.url)
        return values


def mask_password(text: str) -> str:
    """The text with the password of every URL in it replaced by `***`."""
    return _PASSWORD.sub(r"\1\2***", text)
