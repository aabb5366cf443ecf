"""Importance of layers from the distance of the hidden states around a window of them."""

from __future__ import annotations

from abc import abstractmethod
from typing import Final

import numpy as np
import torch
from torch import nn

from nas.importance.base import Scores, Subject
from nas.importance.calibration import Observer, Observing
from nas.importance.depth import anchors, positions
from nas.importance.hooks import Hooks, SeeBlock
from search_spaces import ModelShape

#: Rounding leaves cosines a little beyond one.
_BOUNDS: Final = (-1.0, 1.0)


class AngularWindow(Observing):
    """Layers of the window across which the last real token's hidden state turns least go first.

    The source picks a window of each length afresh. Here the best single layer grows, each time by the
    neighbour on the side of the smaller distance, so that windows are nested and give an order.
    """

    name = "angular_window"
    source = "Gromov et al. 2024, arXiv 2403.17887: arccos of the cosine over pi"
    axes = frozenset({"layers"})

    def observer(self, subject: Subject) -> Observer:
        """Sees the hidden states around every block."""
        return _Angles(subject)


class CosineWindow(Observing):
    """Layers of the window across which hidden states of all real tokens turn least go first.

    Windows grow as those of `angular_window`.
    """

    name = "cosine_window"
    source = "Chen et al. 2024, arXiv 2403.19135: one minus the mean cosine"
    axes = frozenset({"layers"})

    def observer(self, subject: Subject) -> Observer:
        """Sees the hidden states around every block."""
        return _Cosines(subject)


class _Distances(Observer):
    """Mean distances between the hidden states before and after every window of each stack."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._states: list[torch.Tensor] = []
        self._sums = [np.zeros((len(stack) + 1,) * 2) for stack in subject.shape.stacks]
        self._counts = [0] * len(self._sums)

    def attach(self, hooks: Hooks) -> None:
        for index, block in enumerate(self._subject.blocks):
            hooks.on_block(block, self._subject.stack_of(index), self._adder(index))

    def scores(self) -> Scores:
        distances = [sums / max(1, count) for sums, count in zip(self._sums, self._counts, strict=True)]
        return Scores(layers=positions(window_order(distances, self._subject.shape)))

    def _adder(self, index: int) -> SeeBlock:
        number = self._subject.stack_of(index)
        stack = self._subject.shape.stacks[number]

        def add(before: torch.Tensor, after: torch.Tensor, mask: torch.Tensor) -> None:
            if index == stack.start:
                self._states = [self._chosen(before, mask)]
            self._states.append(self._chosen(after, mask))
            if index == stack.stop - 1:
                units = nn.functional.normalize(torch.stack(self._states).double(), dim=-1)
                for start, state in enumerate(units):
                    cosines = (units * state).sum(dim=-1).clamp(*_BOUNDS)
                    self._sums[number][start] += self._distance(cosines).sum(dim=1).cpu().numpy()
                self._counts[number] += units.shape[1]
                self._states = []

        return add

    @abstractmethod
    def _chosen(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Tokens that count, `(tokens, hidden_size)`."""

    @abstractmethod
    def _distance(self, cosines: torch.Tensor) -> torch.Tensor:
        """Distances, elementwise."""


class _Angles(_Distances):
    def _chosen(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        places = torch.arange(1, mask.shape[1] + 1, device=mask.device)
        return x[torch.arange(len(x), device=x.device), (mask * places).argmax(dim=1)]

    def _distance(self, cosines: torch.Tensor) -> torch.Tensor:
        return cosines.arccos() / torch.pi


class _Cosines(_Distances):
    def _chosen(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return x[mask.bool()]

    def _distance(self, cosines: torch.Tensor) -> torch.Tensor:
        return 1.0 - cosines


def window_order(distances: list[np.ndarray], shape: ModelShape) -> list[int]:
    """Layers in order of removal: a window in each stack grows, that of the smaller distance first.

    A stack keeps at least one layer to the end, and `anchors` go last.

    Args:
        distances: for each stack, `[i, j]` between the states before its layers i and j, `(n + 1, n + 1)`.
        shape: the model.
    """
    kept_to_the_end = anchors(shape)
    windows = [
        _windows(between, low=int(stack.start in kept_to_the_end), first=stack.start)
        for between, stack in zip(distances, shape.stacks, strict=True)
    ]
    order: list[int] = []
    while any(windows):
        nearest = min((row for row in windows if row), key=lambda row: row[0][0])
        order.append(nearest.pop(0)[1])
    return order + [index for index in range(shape.num_hidden_layers) if index not in order]


def _windows(between: np.ndarray, *, low: int, first: int) -> list[tuple[float, int]]:
    """Distances across growing windows with the layer that each adds, at most all layers but one."""
    depth = len(between) - 1
    if depth < 2:
        return []
    start = min(range(low, depth), key=lambda i: float(between[i, i + 1]))
    stop = start + 1
    grown = [(float(between[start, stop]), first + start)]
    while stop - start < depth - 1:
        sides = []
        if start > low:
            sides.append((float(between[start - 1, stop]), start - 1))
        if stop < depth:
            sides.append((float(between[start, stop + 1]), stop))
        distance, layer = min(sides)
        start, stop = min(start, layer), max(stop, layer + 1)
        grown.append((distance, first + layer))
    return grown
