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
from nas.families.family import base_prefix
from nas.progress import Progress, no_progress
from nas.tasks import Task
from search_spaces import ModelShape, SubnetConfig, TensorLayout

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
        sublayers: `(2 * num_hidden_layers,)`, attention and feed-forward of each layer in turn; from the
            methods alone that tell them apart.
    """

    hidden: np.ndarray | None = None
    heads: Sequence[np.ndarray] | None = None
    ffn: Sequence[np.ndarray] | None = None
    layers: np.ndarray | None = None
    sublayers: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Passes of one batch each through the model, or through a sub-network of it.

    Attributes:
        forward: calls of the forward.
        backward: gradients taken.
    """

    forward: int = 0
    backward: int = 0

    def __add__(self, other: Cost) -> Cost:
        """Both together."""
        return Cost(forward=self.forward + other.forward, backward=self.backward + other.backward)


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

    def output_layouts(self, index: int) -> list[TensorLayout]:
        """Layouts of the weights of `outputs`, in its order."""
        block = self.family.block_of(self.shape, index)
        within = index - self.shape.stacks[self.stack_of(index)].start
        path = f"{base_prefix(self.model)}{block.path}.{within}"
        names = (*block.attention_outputs, block.ffn_output)
        return [self.shape.by_name[f"{path}.{name}.weight"] for name in names]

    def stack_of(self, index: int) -> int:
        """Number of the stack that a block lies in."""
        return int(0 < self.shape.num_encoder_layers <= index)


class Importance(ABC):
    """Scores the units of a full model.

    Attributes:
        name: the name it is configured by.
        source: the work that it is from.
        axes: what it scores.
        needs_batches: whether it runs the model on calibration data.
        needs_labels: whether that data must be labelled.
        passes: its cost in words for `B` batches and `L` layers, for the docs.
    """

    name: ClassVar[str]
    source: ClassVar[str]
    axes: ClassVar[frozenset[AxisName]]
    needs_batches: ClassVar[bool] = True
    needs_labels: ClassVar[bool] = False
    passes: ClassVar[tuple[str, str]] = ("0", "0")

    @abstractmethod
    def cost(self, num_batches: int, shape: ModelShape) -> Cost:
        """Passes that `score` makes."""

    @abstractmethod
    def score(
        self,
        subject: Subject,
        batches: Sequence[CalibrationBatch],
        *,
        seed: int = 0,
        progress: Progress = no_progress,
    ) -> Scores:
        """Score every axis of `axes`; the model is left as it was."""


class Static(Importance):
    """A method that needs no calibration data."""

    needs_batches = False

    @abstractmethod
    def score_units(self, subject: Subject, seed: int) -> Scores:
        """Score every axis of `axes`."""

    def cost(self, num_batches: int, shape: ModelShape) -> Cost:
        """None."""
        del num_batches, shape
        return Cost()

    def score(
        self,
        subject: Subject,
        batches: Sequence[CalibrationBatch],
        *,
        seed: int = 0,
        progress: Progress = no_progress,
    ) -> Scores:
        """Batches are ignored."""
        del batches, progress
        return self.score_units(subject, seed)
