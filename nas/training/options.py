"""Settings of a training run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from nas.errors import ConfigError
from nas.training.distillation import Distillation

Precision = Literal["auto", "float32", "bfloat16"]
Trainable = Literal["all", "lora", "perp"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Lora:
    """Low-rank adapters on the linear layers of the blocks. Source: Hu et al. 2021 (arXiv 2106.09685).

    Attributes:
        rank: inner dimension of an adapter.
        alpha: adapters are scaled by `alpha / rank`.
        dropout: of an adapter's input.
        targets: linear layers whose name contains one of these get an adapter; empty takes all.
    """

    rank: int = 8
    alpha: float = 16.0
    dropout: float = 0.0
    targets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ConfigError(f"lora: rank is {self.rank}; it must be at least 1")
        if not self.alpha > 0:
            raise ConfigError(f"lora: alpha is {self.alpha}; it must be positive")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"lora: dropout is {self.dropout}; it is a probability below 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainOptions:
    """Settings of a training run.

    Attributes:
        batch_size: examples a pass.
        accumulate: batches that each of a step's sub-networks sees before the weights change, as if they
            were one; each costs a pass.
        learning_rate: AdamW's peak, reached after `warmup` and falling to 0 linearly.
        weight_decay: of all weights but biases and norms.
        warmup: share of the steps.
        max_gradient_norm: gradients are clipped to it.
        precision: `auto` takes bfloat16 autocast where the device multiplies faster in it.
        trainable: `all` weights; `lora`, adapters that are merged at the end, and a fresh head; `perp`,
            biases, norms and the head.
        lora: the adapters.
        frozen: weights whose name contains one of these stay as they are, e.g. `word_embeddings`.
        distillation: what taught passes learn from their teacher.
        sampler: how random sub-networks are drawn: `uniform`, `stratified_params` or `grid_params`.
        gradient_checkpointing: activations are computed again in the backward pass, which saves memory.
        deterministic: only operations that give the same bits every time; slower on GPUs.
        seed: of data order, sub-networks and dropout.
        checkpoint_seconds: time between checkpoints.
    """

    batch_size: int = 32
    accumulate: int = 1
    learning_rate: float = 1e-4
    weight_decay: float = 0.01
    warmup: float = 0.1
    max_gradient_norm: float = 1.0
    precision: Precision = "auto"
    trainable: Trainable = "all"
    lora: Lora = field(default_factory=Lora)
    frozen: tuple[str, ...] = ()
    distillation: Distillation = field(default_factory=Distillation)
    sampler: str = "uniform"
    gradient_checkpointing: bool = False
    deterministic: bool = False
    seed: int = 0
    checkpoint_seconds: float = 30.0

    def __post_init__(self) -> None:
        for name in ("batch_size", "accumulate"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not 0 < self.learning_rate < 1:
            raise ConfigError(f"learning_rate is {self.learning_rate}; it must lie between 0 and 1")
        if not 0 <= self.warmup < 1:
            raise ConfigError(f"warmup is {self.warmup}; it is a share of the steps, 0 to 1")
        if not self.weight_decay >= 0:
            raise ConfigError(f"weight_decay is {self.weight_decay}; it must be at least 0")
        if not self.max_gradient_norm > 0:
            raise ConfigError(f"max_gradient_norm is {self.max_gradient_norm}; it must be positive")
        for name, allowed in (("precision", get_args(Precision)), ("trainable", get_args(Trainable))):
            if getattr(self, name) not in allowed:
                raise ConfigError(f"{name} is {getattr(self, name)!r}; allowed are {', '.join(allowed)}")

    def as_dict(self) -> dict[str, Any]:
        """What decides the result: everything but the rhythm of checkpoints and where activations go."""
        record = asdict(self)
        del record["checkpoint_seconds"], record["gradient_checkpointing"]
        return record
