"""Importance from the sizes of activations, and from how much a block changes them."""

from __future__ import annotations

import torch
from torch import nn

from nas.importance.base import Scores, Subject
from nas.importance.calibration import Observer, Observing
from nas.importance.hooks import Hooks, See, SeeBlock


class Minitron(Observing):
    """Norms of activations: mean over the sequence, then L2 over the examples.

    Heads are scored at the input of the attention output projection, neurons at that of the FFN output
    projection, channels over all normalised residual streams, layers by block influence. The mean is over
    absolute values and real tokens, padding left out.
    """

    name = "minitron"
    source = "Muralidharan et al. 2024, arXiv 2407.14679, Sec. 2.2"
    axes = frozenset({"hidden", "heads", "ffn", "layers"})

    def observer(self, subject: Subject) -> Observer:
        """Sees all four axes at once."""
        return _Norms(subject)


class BlockInfluence(Observing):
    """One minus the mean cosine between a block's input and output over tokens; 0 for an identity block."""

    name = "block_influence"
    source = "Men et al. 2024, arXiv 2403.03853, Eq. 1"
    axes = frozenset({"layers"})

    def observer(self, subject: Subject) -> Observer:
        """Sees every block."""
        return _Influence(subject)


class Contribution(Observing):
    """One minus the mean cosine between a text's representation before and after a block.

    The source represents a text by its `[CLS]` token; here it is the mean over real tokens, which decoders
    and images have too.
    """

    name = "contribution"
    source = "Sajjad et al. 2023, arXiv 2004.03844, contribution-based dropping"
    axes = frozenset({"layers"})

    def observer(self, subject: Subject) -> Observer:
        """Sees every block."""
        return _Influence(subject, is_pooled=True)


class _Norms(Observer):
    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._heads = [_zeros(full.num_attention_heads * full.head_dim) for full in subject.shape.layers]
        self._ffn = [_zeros(full.intermediate_size) for full in subject.shape.layers]
        self._norms = subject.family.norms_of(subject.model)
        self._hidden = [_zeros(subject.shape.hidden_size) for _ in self._norms]
        self._influence = _Influence(subject)

    def attach(self, hooks: Hooks) -> None:
        self._influence.attach(hooks)
        sums = {"heads": self._heads, "ffn": self._ffn}
        for index in range(self._subject.shape.num_hidden_layers):
            stack = self._subject.stack_of(index)
            for module, kind in self._subject.outputs(index):
                hooks.on_input(module, stack, _adder(sums[kind][index]))
        for (stack, norm), channels in zip(self._norms, self._hidden, strict=True):
            hooks.on_output(norm, stack, _adder(channels))

    def scores(self) -> Scores:
        return Scores(
            hidden=torch.stack(self._hidden).sqrt().sum(dim=0).numpy(),
            heads=[
                row.view(full.num_attention_heads, full.head_dim).sum(dim=1).sqrt().numpy()
                for row, full in zip(self._heads, self._subject.shape.layers, strict=True)
            ],
            ffn=[row.sqrt().numpy() for row in self._ffn],
            layers=self._influence.scores().layers,
        )


class _Influence(Observer):
    """Sums of cosines over tokens, or over texts, by block."""

    def __init__(self, subject: Subject, *, is_pooled: bool = False) -> None:
        self._subject = subject
        self._is_pooled = is_pooled
        self._cosines = _zeros(subject.shape.num_hidden_layers)
        self._counts = _zeros(subject.shape.num_hidden_layers)

    def attach(self, hooks: Hooks) -> None:
        for index, block in enumerate(self._subject.blocks):
            hooks.on_block(block, self._subject.stack_of(index), self._adder(index))

    def scores(self) -> Scores:
        return Scores(layers=(1.0 - self._cosines / self._counts).numpy())

    def _adder(self, index: int) -> SeeBlock:
        def add(before: torch.Tensor, after: torch.Tensor, mask: torch.Tensor) -> None:
            before, after = before.double(), after.double()
            if self._is_pooled:  # the cosine of sums is that of means
                before, after = ((x * mask.unsqueeze(-1)).sum(dim=1) for x in (before, after))
                mask = mask.amax(dim=1)
            cosine = nn.functional.cosine_similarity(before, after, dim=-1)
            self._cosines[index] += (cosine * mask).sum().cpu()
            self._counts[index] += mask.sum().cpu()

        return add


def _adder(sums: torch.Tensor) -> See:
    """Add the squared mean of `|x|` over real tokens, summed over examples; x `(batch, sequence, units)`."""

    def add(x: torch.Tensor, mask: torch.Tensor) -> None:
        weights = mask.unsqueeze(-1)
        mean = (x.double().abs() * weights).sum(dim=1) / weights.sum(dim=1)
        sums.add_(mean.square().sum(dim=0).cpu())

    return add


def _zeros(size: int) -> torch.Tensor:
    return torch.zeros(size, dtype=torch.float64)
