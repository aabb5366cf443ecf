"""The section of the config file that says how finalists are recovered."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from nas.config.sections import DistillationSection, FinetuneSection, LoraSection, Text


class RecoverySection(FinetuneSection):
    """How the best sub-networks are trained after the search; passes and examples are those of each."""

    top: int = Field(default=5, ge=1, le=10_000, description="sub-networks of the front to recover")
    where: tuple[Text, ...] = Field(
        default=(), max_length=32, description="budgets that they hold besides the study's"
    )
    trainable: Literal["all", "lora", "perp"] = Field(
        default="all", description="all weights, low-rank adapters, or biases, norms and head"
    )
    lora: LoraSection = Field(default_factory=LoraSection, description="the adapters")
    schedule: Literal["one_shot", "interleaved"] = Field(
        default="one_shot",
        description="train the sub-network all the time, or shrink the full model to it stage by stage",
    )
    stages: int = Field(default=4, ge=1, le=10_000, description="stages of interleaved")
    distillation: DistillationSection | None = Field(
        default_factory=DistillationSection,
        description="what is learnt from the unpruned model; null learns from labels alone",
    )
    baselines: tuple[Literal["random", "scratch"], ...] = Field(
        default=(), description="trained at the same cost beside each: random sub-networks, random weights"
    )
