"""Importance from activations on calibration data, gathered by hooks in one pass.

Hooks sit on the modules themselves: `output_hidden_states` is no substitute, since some models return its
last entry after the final norm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from nas.importance.base import CalibrationBatch, Importance, Scores, Subject


class Minitron(Importance):
    """Norms of activations: mean over the sequence, then L2 over the examples.

    Heads are scored at the input of the attention output projection, neurons at that of the FFN output
    projection, channels over all normalised residual streams, layers by block influence.

    Source: Muralidharan et al. 2024 (arXiv 2407.14679), Sec. 2.2. The mean is over absolute values and
    real tokens, padding left out.
    """

    name = "minitron"
    axes = frozenset({"hidden", "heads", "ffn", "layers"})

    def score(self, subject: Subject, batches: Sequence[CalibrationBatch], *, seed: int = 0) -> Scores:
        """One pass over the batches scores all four axes."""
        del seed
        shape = subject.shape
        heads = [_zeros(full.num_attention_heads * full.head_dim) for full in shape.layers]
        ffn = [_zeros(full.intermediate_size) for full in shape.layers]
        sums = {"heads": heads, "ffn": ffn}
        norms = subject.family.norms_of(subject.model)
        hidden = [_zeros(shape.hidden_size) for _ in norms]
        influence = _InfluenceSum(shape.num_hidden_layers)
        with eval_mode(subject.model), _Hooks(subject) as hooks:
            for index, block in enumerate(subject.blocks):
                stack = subject.stack_of(index)
                for module, kind in subject.outputs(index):
                    hooks.on_input(module, _adder(sums[kind][index], stack, hooks))
                hooks.on_block(block, influence.adder(index, stack, hooks))
            for (stack, norm), channels in zip(norms, hidden, strict=True):
                hooks.on_output(norm, _adder(channels, stack, hooks))
            run(subject, batches, hooks)
        return Scores(
            hidden=torch.stack(hidden).sqrt().sum(dim=0).numpy(),
            heads=[
                row.view(full.num_attention_heads, full.head_dim).sum(dim=1).sqrt().numpy()
                for row, full in zip(heads, shape.layers, strict=True)
            ],
            ffn=[row.sqrt().numpy() for row in ffn],
            layers=influence.value(),
        )


class BlockInfluence(Importance):
    """One minus the mean cosine between a block's input and output over tokens; 0 for an identity block.

    Source: Men et al. 2024 (ShortGPT, arXiv 2403.03853), Eq. 1.
    """

    name = "block_influence"
    axes = frozenset({"layers"})

    def score(self, subject: Subject, batches: Sequence[CalibrationBatch], *, seed: int = 0) -> Scores:
        """One pass over the batches; padding is left out."""
        del seed
        influence = _InfluenceSum(subject.shape.num_hidden_layers)
        with eval_mode(subject.model), _Hooks(subject) as hooks:
            for index, block in enumerate(subject.blocks):
                hooks.on_block(block, influence.adder(index, subject.stack_of(index), hooks))
            run(subject, batches, hooks)
        return Scores(layers=influence.value())


class _Hooks:
    """Forward hooks that are removed at the end, and which tokens of the batch under way are real."""

    def __init__(self, subject: Subject) -> None:
        self._has_decoder = len(subject.shape.stacks) > 1
        self._masks: list[torch.Tensor | None] = []
        self._handles: list[Any] = []

    def see(self, batch: CalibrationBatch) -> None:
        """Note which tokens are real: of a target those that are to be predicted."""
        target = batch.labels
        is_row = self._has_decoder and target is not None and target.ndim == 2
        self._masks = [
            batch.inputs.get("attention_mask"),
            None if target is None or not is_row else target.ge(0),
        ]

    def mask(self, x: torch.Tensor, stack: int) -> torch.Tensor:
        """1 at real tokens of activations `(batch, sequence, ...)`, 0 at padding; `(batch, sequence)`."""
        mask = self._masks[stack]
        if mask is None or mask.shape != x.shape[:2]:  # images and speech have no padding
            return x.new_ones(x.shape[:2], dtype=torch.float64)
        return mask.to(x.device, torch.float64)

    def __enter__(self) -> _Hooks:
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    def on_input(self, module: nn.Module, see: Callable[[torch.Tensor], None]) -> None:
        self._handles.append(
            module.register_forward_pre_hook(
                lambda _, args, kwargs: see(_input(args, kwargs)), with_kwargs=True
            )
        )

    def on_output(self, module: nn.Module, see: Callable[[torch.Tensor], None]) -> None:
        self._handles.append(module.register_forward_hook(lambda _, __, output: see(_first(output))))

    def on_block(self, module: nn.Module, see: Callable[[torch.Tensor, torch.Tensor], None]) -> None:
        self._handles.append(
            module.register_forward_hook(
                lambda _, args, kwargs, output: see(_input(args, kwargs), _first(output)), with_kwargs=True
            )
        )


class _InfluenceSum:
    """Sums of cosines over tokens, by block."""

    def __init__(self, depth: int) -> None:
        self._cosines = torch.zeros(depth, dtype=torch.float64)
        self._tokens = torch.zeros(depth, dtype=torch.float64)

    def adder(self, index: int, stack: int, hooks: _Hooks) -> Callable[[torch.Tensor, torch.Tensor], None]:
        def add(before: torch.Tensor, after: torch.Tensor) -> None:
            cosine = nn.functional.cosine_similarity(before.double(), after.double(), dim=-1)
            mask = hooks.mask(cosine, stack)
            self._cosines[index] += (cosine * mask).sum().cpu()
            self._tokens[index] += mask.sum().cpu()

        return add

    def value(self) -> np.ndarray:
        influence: np.ndarray = (1.0 - self._cosines / self._tokens).numpy()
        return influence


def run(subject: Subject, batches: Sequence[CalibrationBatch], hooks: _Hooks) -> None:
    """Forward every batch without gradients."""
    with torch.no_grad():
        for batch in batches:
            hooks.see(batch)
            subject.task.forward(subject.model, batch.inputs)


def _adder(sums: torch.Tensor, stack: int, hooks: _Hooks) -> Callable[[torch.Tensor], None]:
    """Add the squared mean of `|x|` over real tokens, summed over examples; x `(batch, sequence, units)`."""

    def add(x: torch.Tensor) -> None:
        if x.ndim == 2:  # some feed-forward layers see all tokens of a batch in one row
            x = x.view(1, *x.shape)
        mask = hooks.mask(x, stack).unsqueeze(-1)
        mean = (x.detach().double().abs() * mask).sum(dim=1) / mask.sum(dim=1)
        sums.add_(mean.square().sum(dim=0).cpu())

    return add


def _zeros(size: int) -> torch.Tensor:
    return torch.zeros(size, dtype=torch.float64)


def _input(args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.Tensor:
    tensor: torch.Tensor = args[0] if args else kwargs["hidden_states"]
    return tensor


def _first(output: Any) -> torch.Tensor:
    tensor: torch.Tensor = output[0] if isinstance(output, tuple) else output
    return tensor


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[None]:
    """Dropout off for the length of the block."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
