"""A Gaussian process over points, cheap enough to be fitted anew for each proposal.

Its kernel is a mean of one-dimensional kernels, which learns what each dimension costs on its own from few
results, plus a product kernel for interactions. Source: additive kernels, Duvenaud et al. 2011
(arXiv 1112.4394), orders 1 and D only.
"""

from __future__ import annotations

from itertools import product
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = "npt.NDArray[np.float64]"

#: Settings that the likelihood chooses among: share of the additive part, length scale as a share of a
#: dimension's range, variance of the noise as a share of the outputs'.
_ADDITIVE: Final = (0.5, 0.9)
_LENGTHS: Final = (0.4, 1.0)
_NOISES: Final = (1e-3, 3e-2)


class Surrogate:
    """Fitted to results; the settings with the greatest likelihood are used.

    Args:
        inputs: `(results, dimensions)`, each 0 to 1.
        outputs: `(results,)`; extreme bad ones should be cut off before.
    """

    def __init__(self, inputs: Array, outputs: Array) -> None:
        self._inputs = inputs
        self._centre = float(outputs.mean())
        self._spread = float(outputs.std()) or 1.0
        targets = (outputs - self._centre) / self._spread
        best = -np.inf
        kernels = {length: _parts(inputs, inputs, length) for length in _LENGTHS}
        for additive, length, noise in product(_ADDITIVE, _LENGTHS, _NOISES):
            first, full = kernels[length]
            matrix = additive * first + (1 - additive) * full
            root = np.linalg.cholesky(matrix + noise * np.eye(len(inputs)))
            half = np.linalg.solve(root, targets)
            likelihood = -0.5 * float(half @ half) - float(np.log(np.diag(root)).sum())
            if likelihood > best:
                best, self._additive, self._length, self._root = likelihood, additive, length, root
                self._weights = np.linalg.solve(root.T, half)

    def predict(self, inputs: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of `(points, dimensions)`, without the noise."""
        first, full = _parts(inputs, self._inputs, self._length)
        covariance = self._additive * first + (1 - self._additive) * full
        half = np.linalg.solve(self._root, covariance.T)
        variance = np.maximum(1.0 - (half**2).sum(axis=0), 1e-12)
        return self._centre + self._spread * (covariance @ self._weights), self._spread * np.sqrt(variance)


def _parts(left: Array, right: Array, length: float) -> tuple[Array, Array]:
    """The additive kernel, and the product kernel at a length that grows with the root of the dimensions."""
    first = np.zeros((len(left), len(right)))
    distance = np.zeros_like(first)
    for a, b in zip(left.T, right.T, strict=True):
        squared = (a[:, None] - b[None, :]) ** 2
        first += np.exp(-squared / (2 * length**2))
        distance += squared
    count = left.shape[1]
    return first / count, np.exp(-distance / (2 * count * length**2))
