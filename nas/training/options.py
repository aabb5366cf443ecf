"""Settings of a training run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from nas.errors import ConfigError

Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainOptions:
    """Settings of a training run.

    Attributes:
        batch_size: examples a pass.
        learning_rate: AdamW's peak, reached after `warmup` and falling to 0 linearly.
        weight_decay: of all weights but biases and norms.
        warmup: share of the steps.
        max_gradient_norm: gradients are clipped to it.
        precision: `auto` takes bfloat16 autocast where the device multiplies faster in it.
        frozen: weights whose name contains one of these stay as they are, e.g. `word_embeddings`.
        temperature: of distillation.
        seed: of data order, sub-networks and dropout.
        checkpoint_seconds: time between checkpoints.
    """

    batch_size: int = 32
    learning_rate: float = 1e-4
    weight_decay: float = 0.01
    warmup: float = 0.1
    max_gradient_norm: float = 1.0
    precision: Precision = "auto"
    frozen: tuple[str, ...] = ()
    temperature: float = 1.0
    seed: int = 0
    checkpoint_seconds: float = 30.0

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ConfigError(f"batch_size is {self.batch_size}; it must be at least 1")
        if not 0 < self.learning_rate < 1:
            raise ConfigError(f"learning_rate is {self.learning_rate}; it must lie between 0 and 1")
        if not 0 <= self.warmup < 1:
            raise ConfigError(f"warmup is {self.warmup}; it is a share of the steps, 0 to 1")
        if not self.weight_decay >= 0:
            raise ConfigError(f"weight_decay is {self.weight_decay}; it must be at least 0")
        if not self.max_gradient_norm > 0:
            raise ConfigError(f"max_gradient_norm is {self.max_gradient_norm}; it must be positive")
        if not self.temperature > 0:
            raise ConfigError(f"temperature is {self.temperature}; it must be positive")
        if self.precision not in ("auto", "float32", "bfloat16"):
            raise ConfigError(f"precision is {self.precision!r}; allowed are auto, float32, bfloat16")

    def as_dict(self) -> dict[str, Any]:
        """What decides the result: everything but the rhythm of checkpoints."""
        record = asdict(self)
        del record["checkpoint_seconds"]
        record["frozen"] = list(self.frozen)
        return record
