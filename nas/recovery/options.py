"""Settings of a recovery."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, TypeAlias, get_args

from nas.errors import ConfigError
from nas.training import Distillation, TrainOptions
from nas.training.options import Trainable

Schedule: TypeAlias = Literal["one_shot", "interleaved"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RecoveryOptions:
    """Settings of a recovery.

    Attributes:
        trainable: `all` weights; `lora`, adapters that are merged at the end; `perp`, biases, norms and the
            head.
        schedule: `one_shot` trains the sub-network all the time; `interleaved` shrinks the full model to it
            in stages, and trains each for an equal share of the budget.
        stages: of `interleaved`; the last is the sub-network itself.
        distillation: what it learns from the unpruned model; None learns from the labels alone.
        training: everything else: learning rate, batch size, frozen weights, seed. Its `trainable` and
            `distillation` stay at their defaults; those above count.
    """

    trainable: Trainable = "all"
    schedule: Schedule = "one_shot"
    stages: int = 4
    distillation: Distillation | None = field(default_factory=Distillation)
    training: TrainOptions = field(default_factory=TrainOptions)

    def __post_init__(self) -> None:
        for name, allowed in (("trainable", get_args(Trainable)), ("schedule", get_args(Schedule))):
            if getattr(self, name) not in allowed:
                raise ConfigError(f"{name} is {getattr(self, name)!r}; allowed are {', '.join(allowed)}")
        if self.stages < 1:
            raise ConfigError(f"stages is {self.stages}; it must be at least 1")
        for name, default in (("trainable", "all"), ("distillation", Distillation())):
            given = getattr(self.training, name)
            if given != default:
                raise ConfigError(f"training has {name} = {given!r}; give {name} to the recovery itself")

    @property
    def train_options(self) -> TrainOptions:
        """All that the training loop is told."""
        distillation = self.distillation or Distillation()
        return replace(self.training, trainable=self.trainable, distillation=distillation)

    def as_dict(self) -> dict[str, Any]:
        """What decides the weights, JSON-ready; stages count only where they are used."""
        return {
            "schedule": self.schedule,
            "stages": self.stages if self.schedule == "interleaved" else 1,
            "has_teacher": self.distillation is not None,
            "training": _plain(self.train_options.as_dict()),
        }

    def summary(self) -> str:
        """In a few words, for model cards and tables."""
        what = {"all": "all weights", "lora": "LoRA adapters, merged", "perp": "biases, norms and the head"}
        how = "" if self.schedule == "one_shot" else f", pruned and trained in {self.stages} stages"
        taught = "labels" if self.distillation is None else _taught_by(self.distillation)
        return f"{what[self.trainable]}{how}; learnt from {taught}"


def _taught_by(distillation: Distillation) -> str:
    weights = asdict(distillation)
    parts = [name for name in ("labels", "logits", "hidden") if weights[name]]
    names = {"labels": "labels", "logits": "the unpruned model's logits", "hidden": "its hidden states"}
    return " and ".join(names[name] for name in parts)


def _plain(record: dict[str, Any]) -> dict[str, Any]:
    """Tuples as lists, as JSON has them."""
    return {
        name: _plain(value) if isinstance(value, dict) else list(value) if isinstance(value, tuple) else value
        for name, value in record.items()
    }
