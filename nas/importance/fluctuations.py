"""Importance from the inputs of output projections together with the projections' weights."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import ClassVar, Final

import numpy as np
import torch

from nas.importance.base import Scores, Subject
from nas.importance.calibration import Observer, Observing
from nas.importance.gradients import Gradients, Kind
from nas.importance.hooks import Hooks
from nas.importance.units import by_input, precise
from search_spaces import TensorLayout

#: Weight of the gradients' part of `gblm`; the source's default.
ALPHA: Final = 100.0


class InputMoments:
    """Number, mean and squared deviations of each input channel over real tokens.

    Batches are merged by Chan's formula, so that a large mean costs no precision.

    Attributes:
        examples: rows of the batches that were seen.
        count: tokens.
        mean: float64 `(channels,)`.
        deviations: sum of squared deviations from the mean, float64 `(channels,)`.
    """

    def __init__(self) -> None:
        self.examples = 0
        self.count = 0
        self.mean = torch.zeros(())
        self.deviations = torch.zeros(())

    def add(self, x: torch.Tensor, mask: torch.Tensor) -> None:
        """Take the real tokens of `(batch, sequence, channels)`."""
        self.examples += len(x)
        tokens = x.double()[mask.bool()]
        if not len(tokens):
            return
        mean = tokens.mean(dim=0)
        deviations = (tokens - mean).square().sum(dim=0).cpu()
        step = mean.cpu() - self.mean
        total = self.count + len(tokens)
        self.deviations = self.deviations + deviations + step.square() * (self.count * len(tokens) / total)
        self.mean = self.mean + step * (len(tokens) / total)
        self.count = total

    @property
    def variance(self) -> torch.Tensor:
        """Mean squared deviation, `(channels,)`."""
        return self.deviations / self.count

    @property
    def norms(self) -> torch.Tensor:
        """Root of the sum of squares of an example, on average, `(channels,)`."""
        return ((self.deviations + self.count * self.mean.square()) / self.examples).sqrt()


class Flap(Observing):
    """Fluctuation: the variance of an input channel times the squared norm of its weights (WIFV).

    It is the error of replacing a channel by its mean, as the `bias` compensation does. Scores are
    standardised in each layer and sub-layer; a head is the mean of its channels.
    """

    name = "flap"
    source = "An et al. 2024, arXiv 2312.11983 (WIFV), with the plain variance over tokens"
    axes = frozenset({"heads", "ffn"})

    def observer(self, subject: Subject) -> Observer:
        """Sees the inputs of all output projections."""
        return _Fluctuation(subject)


class WandaSp(Observing):
    """Sum over a unit's output weights of `|W|` times the L2 norm of the input that they multiply."""

    name = "wanda_sp"
    source = "Sun et al. 2024, arXiv 2306.11695, summed by column as in An et al. 2024, arXiv 2312.11983"
    axes = frozenset({"heads", "ffn"})

    def observer(self, subject: Subject) -> Observer:
        """Sees the inputs of all output projections."""
        return _WeightedNorms(subject)


class Gblm(Observing):
    """`wanda_sp` plus `ALPHA` times `|W|` times the L2 norm over samples of the gradient of each weight.

    A sample is a batch here, whose loss is the mean over its items: at a batch size of one it is the
    source's.
    """

    name = "gblm"
    source = "Das et al. 2023, arXiv 2311.04902, summed by column"
    axes = frozenset({"heads", "ffn"})
    needs_labels = True
    passes = ("B", "B")
    alpha: ClassVar[float] = ALPHA

    def observer(self, subject: Subject) -> Observer:
        """Sees the inputs of all output projections and the gradients of their weights."""
        return _WeightedNorms(subject, alpha=self.alpha)

    def weights(self, subject: Subject) -> Iterator[str]:
        """All output projections."""
        for index in range(subject.shape.num_hidden_layers):
            yield from (layout.name for layout in subject.output_layouts(index))


class _Outputs(Observer):
    """Moments of the inputs of all output projections."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._weights = dict(subject.model.named_parameters(remove_duplicate=False))
        self._moments = [
            [InputMoments() for _ in subject.output_layouts(index)]
            for index in range(subject.shape.num_hidden_layers)
        ]

    def attach(self, hooks: Hooks) -> None:
        for index, moments in enumerate(self._moments):
            stack = self._subject.stack_of(index)
            for (module, _), own in zip(self._subject.outputs(index), moments, strict=True):
                hooks.on_input(module, stack, own.add)

    def _channels(self, index: int, kind: Kind) -> np.ndarray:
        """Scores of the input channels of a layer, summed over its projections of a kind."""
        kinds = [own for _, own in self._subject.outputs(index)]
        layouts, moments = self._subject.output_layouts(index), self._moments[index]
        values = [
            self._score(own, by_input(precise(self._weights[layout.name].detach()), layout).double(), layout)
            for own, layout, each in zip(moments, layouts, kinds, strict=True)
            if each == kind
        ]
        summed: np.ndarray = torch.stack(values).sum(dim=0).numpy()
        return summed

    @abstractmethod
    def _score(self, moments: InputMoments, weight: torch.Tensor, layout: TensorLayout) -> torch.Tensor:
        """Scores of the inputs of one projection, `(inputs,)`; its weight is `(inputs, hidden_size)`."""

    def _by_head(self, index: int) -> np.ndarray:
        full = self._subject.shape.layers[index]
        return self._channels(index, "heads").reshape(full.num_attention_heads, full.head_dim)


class _Fluctuation(_Outputs):
    def scores(self) -> Scores:
        layers = range(self._subject.shape.num_hidden_layers)
        heads = [standardised(self._by_head(index)).mean(axis=1) for index in layers]
        return Scores(heads=heads, ffn=[standardised(self._channels(index, "ffn")) for index in layers])

    def _score(self, moments: InputMoments, weight: torch.Tensor, layout: TensorLayout) -> torch.Tensor:
        del layout
        return moments.variance * weight.square().sum(dim=1)


class _WeightedNorms(_Outputs):
    def __init__(self, subject: Subject, *, alpha: float = 0.0) -> None:
        super().__init__(subject)
        self._alpha = alpha
        self._squared_gradients: dict[str, torch.Tensor] = {}

    def see(self, gradients: Gradients) -> None:
        if not self._alpha:
            return
        sums = self._squared_gradients
        for index in range(self._subject.shape.num_hidden_layers):
            for layout in self._subject.output_layouts(index):
                if layout.name in gradients.weights:
                    mean = precise(gradients.weights[layout.name]) / max(1, gradients.num_items)
                    sums[layout.name] = sums.get(layout.name, 0.0) + mean.square()

    def scores(self) -> Scores:
        layers = range(self._subject.shape.num_hidden_layers)
        heads = [self._by_head(index).sum(axis=1) for index in layers]
        return Scores(heads=heads, ffn=[self._channels(index, "ffn") for index in layers])

    def _score(self, moments: InputMoments, weight: torch.Tensor, layout: TensorLayout) -> torch.Tensor:
        activations = moments.norms.unsqueeze(1)
        if layout.name not in self._squared_gradients:
            return (weight.abs() * activations).sum(dim=1)
        gradients = by_input(self._squared_gradients[layout.name], layout).double().sqrt()
        return (weight.abs() * (activations + self._alpha * gradients)).sum(dim=1)


def standardised(values: np.ndarray) -> np.ndarray:
    """Mean 0 and standard deviation 1; zeros where all values are equal."""
    spread = values.std(ddof=1) if values.size > 1 else 0.0
    centred: np.ndarray = values - values.mean()
    return centred / spread if spread > 0 else np.zeros_like(centred)
