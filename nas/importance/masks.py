"""Importance from gradients of masks of heads and neurons."""

from __future__ import annotations

from abc import abstractmethod
from typing import Final

import numpy as np
import torch

from nas.importance.base import Scores, Subject
from nas.importance.calibration import Observer, Observing
from nas.importance.gradients import Gradients, Kind
from nas.importance.rearrangement import handed_out, removal_order
from nas.importance.units import precise

_KINDS: Final[tuple[Kind, Kind]] = ("heads", "ffn")


class _MaskMethod(Observing):
    axes = frozenset({"heads", "ffn"})
    needs_labels = True
    takes_mask_gradients = True
    passes = ("B", "B")


class TaylorMask(_MaskMethod):
    """Sum over examples of `|dL/dm|` at masks of one.

    The mask has an entry an example, so that the score does not depend on the batch size.
    """

    name = "taylor_mask"
    source = "Michel et al. 2019, arXiv 1905.10650; neurons as in Hou et al. 2020, arXiv 2004.04037"

    def observer(self, subject: Subject) -> Observer:
        """Adds absolute gradients."""
        return _Absolute(subject)


class FisherDiagonal(_MaskMethod):
    """Diagonal of the empirical Fisher information of masks: the sum over examples of `(dL/dm)**2` at ones.

    The mask has an entry an example, so the score does not depend on the batch size; at a batch size of one
    it equals the source's.
    """

    name = "fisher_diagonal"
    source = "Kwon et al. 2022, arXiv 2204.09656, Sec. 4.1"

    def observer(self, subject: Subject) -> Observer:
        """Adds squared gradients."""
        return _Squared(subject)


class FisherMask(_MaskMethod):
    """The scores of `fisher_diagonal` in an order in which the gradients of removed units cancel out.

    Layers compare as they do by the diagonal. A key-value head stands for its query heads, which are
    rearranged among themselves; blocks that share their heads are rearranged together.
    """

    name = "fisher_mask"
    source = "Kwon et al. 2022, arXiv 2204.09656, Sec. 4.1 and 4.2, nested for all numbers of removed units"

    def observer(self, subject: Subject) -> Observer:
        """Keeps the gradients of all examples."""
        return _Rearranged(subject)


class _Sums(Observer):
    """Sums over examples of a function of the gradients."""

    def __init__(self, subject: Subject) -> None:
        layers = subject.shape.layers
        self._sums = {
            "heads": [torch.zeros(full.num_attention_heads, dtype=torch.float64) for full in layers],
            "ffn": [torch.zeros(full.intermediate_size, dtype=torch.float64) for full in layers],
        }

    def see(self, gradients: Gradients) -> None:
        for layer, kind, values in gradients.masks:
            self._sums[kind][layer] += self._size(values.double()).sum(dim=0).cpu()

    def scores(self) -> Scores:
        heads, ffn = ([row.numpy() for row in self._sums[kind]] for kind in _KINDS)
        return Scores(heads=heads, ffn=ffn)

    @abstractmethod
    def _size(self, gradients: torch.Tensor) -> torch.Tensor: ...


class _Absolute(_Sums):
    def _size(self, gradients: torch.Tensor) -> torch.Tensor:
        return gradients.abs()


class _Squared(_Sums):
    def _size(self, gradients: torch.Tensor) -> torch.Tensor:
        return gradients.square()


class _Rearranged(Observer):
    def __init__(self, subject: Subject) -> None:
        self._shape = subject.shape
        self._seen: dict[tuple[Kind, int], list[torch.Tensor]] = {}

    def see(self, gradients: Gradients) -> None:
        for layer, kind, values in gradients.masks:
            self._seen.setdefault((kind, layer), []).append(precise(values))

    def scores(self) -> Scores:
        layers = range(self._shape.num_hidden_layers)
        ffn = [self._gradients("ffn", layer) for layer in layers]
        return Scores(
            heads=self._heads(),
            ffn=[handed_out(_squares(rows), removal_order(rows)) for rows in ffn],
        )

    def _heads(self) -> list[np.ndarray]:
        """Rearranged scores of query heads by layer."""
        gradients = []
        for layer, full in enumerate(self._shape.layers):
            rows = self._gradients("heads", layer)
            gradients.append(rows.reshape(len(rows), full.num_key_value_heads, full.queries_per_head))
        if not self._shape.has_shared_heads:
            return [rearranged_heads(rows, rows) for rows in gradients]
        together = np.concatenate(gradients)  # blocks add up like examples
        return [rearranged_heads(rows, together) for rows in gradients]

    def _gradients(self, kind: Kind, layer: int) -> np.ndarray:
        rows: np.ndarray = torch.cat(self._seen[kind, layer]).numpy()
        return rows


def rearranged_heads(gradients: np.ndarray, together: np.ndarray) -> np.ndarray:
    """Scores of query heads whose sums order key-value heads, and that order the query heads of each.

    Args:
        gradients: of the layer, `(examples, num_key_value_heads, queries_per_head)`.
        together: those that decide the order: the layer's own, or of all blocks that share their heads.

    Returns:
        `(num_attention_heads,)`. Sums of key-value heads are those of the diagonal, handed out anew.
    """
    squares = np.square(gradients.astype(np.float64)).sum(axis=0)
    totals = handed_out(squares.sum(axis=1), removal_order(together.sum(axis=2)))
    scores = np.empty_like(squares)
    for head, own in enumerate(squares):
        within = handed_out(own, removal_order(together[:, head]))
        share = within / within.sum() if within.sum() > 0 else np.full_like(within, 1 / len(within))
        scores[head] = share * totals[head]
    by_query: np.ndarray = scores.reshape(-1)
    return by_query


def _squares(gradients: np.ndarray) -> np.ndarray:
    squares: np.ndarray = np.square(gradients.astype(np.float64)).sum(axis=0)
    return squares
