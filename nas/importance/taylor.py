"""Importance from gradients of weights: how much the loss changes to first order without a unit."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

import numpy as np
import torch

from nas.importance.base import Scores, Subject
from nas.importance.calibration import Observer, Observing
from nas.importance.gradients import Gradients
from nas.importance.units import UnitSums, own_weights, precise


class _TaylorMethod(Observing):
    axes = frozenset({"hidden", "heads", "ffn", "layers"})
    needs_labels = True
    passes = ("B", "B")

    def weights(self, subject: Subject) -> Iterator[str]:
        """All of the model."""
        return (layout.name for layout in subject.shape.tensors if layout.tied_to is None)


class TaylorFirst(_TaylorMethod):
    """Sum over all weights coupled to a unit of `|w * dL/dw|`, the gradient summed over all examples."""

    name = "taylor_first"
    source = "Ma et al. 2023, arXiv 2305.11627 (element-wise); layers as in Kim et al. 2024, arXiv 2402.02834"

    def observer(self, subject: Subject) -> Observer:
        """Adds gradients: takes as much memory as the model has weights."""
        return _Elementwise(subject)


class TaylorVector(_TaylorMethod):
    """`|sum of w * dL/dw|` over all weights coupled to a unit: the loss's slope by scaling them together."""

    name = "taylor_vector"
    source = "Ma et al. 2023, arXiv 2305.11627 (vector-wise), to first order"

    def observer(self, subject: Subject) -> Observer:
        """Adds gradients: takes as much memory as the model has weights."""
        return _Vector(subject)


class _Products(Observer):
    """Sums over units of something of each weight times its gradient."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._sums: dict[str, torch.Tensor] = {}

    def see(self, gradients: Gradients) -> None:
        for name, gradient in gradients.weights.items():
            values = precise(gradient)
            self._sums[name] = self._sums[name] + values if name in self._sums else values.clone()

    def scores(self) -> Scores:
        sums = UnitSums(self._subject.shape)
        for layout, weight in own_weights(self._subject):
            if layout.name in self._sums:
                sums.add(layout, self._of_weight(weight * self._sums[layout.name]))
        return Scores(
            hidden=self._of_unit(sums.hidden),
            heads=[self._of_unit(row) for row in sums.heads],
            ffn=[self._of_unit(row) for row in sums.ffn],
            layers=self._of_unit(sums.layers),
        )

    @abstractmethod
    def _of_weight(self, products: torch.Tensor) -> torch.Tensor: ...

    @abstractmethod
    def _of_unit(self, sums: np.ndarray) -> np.ndarray: ...


class _Elementwise(_Products):
    def _of_weight(self, products: torch.Tensor) -> torch.Tensor:
        return products.abs()

    def _of_unit(self, sums: np.ndarray) -> np.ndarray:
        return sums


class _Vector(_Products):
    def _of_weight(self, products: torch.Tensor) -> torch.Tensor:
        return products

    def _of_unit(self, sums: np.ndarray) -> np.ndarray:
        sizes: np.ndarray = np.abs(sums)
        return sizes
