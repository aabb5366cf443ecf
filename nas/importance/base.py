"""What an importance method gets and gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import torch
from torch import nn

from nas.families import Family
from nas.tasks import Task
from search_spaces import ModelShape, SubnetConfig

AxisName = Literal["hidden", "heads", "ffn", "layers"]


class CalibrationBatch(Protocol):
    """A batch as `nas.data` makes it."""

    @property
    def inputs(self) -> Mapping[str, torch.Tensor]:
        """Keyword arguments of the model's forward."""
        ...

    @property
    def labels(self) -> torch.Tensor | None:
        """Labels as the task has them, one an example or one a token; or None."""
        ...


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Importance of units, larger = keep. An axis that a method does not score is None.

    Attributes:
        hidden: `(hidden_size,)`.
        heads: for each layer `(num_attention_heads,)`, query heads in the model's order.
        ffn: for each layer `(intermediate_size,)`.
        layers: `(num_hidden_layers,)`.
    """

    hidden: np.ndarray | None = None
    heads: Sequence[np.ndarray] | None = None
    ffn: Sequence[np.ndarray] | None = None
    layers: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The full model to score, what its head is for, and how it becomes a sub-network for a while."""

    model: Any
    shape: ModelShape
    family: Family
    task: Task
    active: Callable[[SubnetConfig], AbstractContextManager[nn.Module]]

    @property
    def blocks(self) -> list[nn.Module]:
        """The transformer blocks, an encoder's before its decoder's."""
        return self.family.layers_of(self.model)

    def outputs(self, index: int) -> list[tuple[nn.Module, Literal["heads", "ffn"]]]:
        """Modules of a block whose input is the concatenated heads, and the one that gets the neurons."""
        block, layer = self.family.block_of(self.shape, index), self.blocks[index]
        heads = [(layer.get_submodule(path), "heads") for path in block.attention_outputs]
        return [*heads, (layer.get_submodule(block.ffn_output), "ffn")]  # type: ignore[list-item]

    def stack_of(self, index: int) -> int:
        """Number of the stack that a block lies in."""
        return int(0 < self.shape.num_encoder_layers <= index)


class Importance(ABC):
    """Scores the units of a full model.

    Attributes:
        name: the name it is configured by.
        axes: what it scores.
        needs_batches: whether it runs the model on calibration data.
        needs_labels: whether that data must be labelled.
    """

    name: ClassVar[str]
    axes: ClassVar[frozenset[AxisName]]
    needs_batches: ClassVar[bool] = True
    needs_labels: ClassVar[bool] = False

    @abstractmethod
    def score(self, subject: Subject, batches: Sequence[CalibrationBatch], *, seed: int = 0) -> Scores:
        """Score every axis of `axes`; the model is left as it was."""
