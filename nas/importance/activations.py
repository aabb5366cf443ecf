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
        depth, first = shape.num_hidden_layers, shape.layers[0]
        heads = torch.zeros(depth, first.num_attention_heads * first.head_dim, dtype=torch.float64)
        ffn = torch.zeros(depth, first.intermediate_size, dtype=torch.float64)
        norms = subject.family.norms_of(subject.model)
        hidden = torch.zeros(len(norms), shape.hidden_size, dtype=torch.float64)
        influence = _InfluenceSum(depth)
        with eval_mode(subject.model), _Hooks() as hooks:
            for index, block in enumerate(subject.blocks):
                hooks.on_input(
                    block.get_submodule(subject.family.attention_output), _adder(heads, index, hooks)
                )
                hooks.on_input(block.get_submodule(subject.family.ffn_output), _adder(ffn, index, hooks))
                hooks.on_block(block, influence.adder(index, hooks))
            for index, norm in enumerate(norms):
                hooks.on_output(norm, _adder(hidden, index, hooks))
            run(subject.model, batches, hooks)
        per_head = heads.view(depth, first.num_attention_heads, first.head_dim).sum(dim=2)
        return Scores(
            hidden=hidden.sqrt().sum(dim=0).numpy(),
            heads=per_head.sqrt().numpy(),
            ffn=ffn.sqrt().numpy(),
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
        with eval_mode(subject.model), _Hooks() as hooks:
            for index, block in enumerate(subject.blocks):
                hooks.on_block(block, influence.adder(index, hooks))
            run(subject.model, batches, hooks)
        return Scores(layers=influence.value())


class _Hooks:
    """Forward hooks that are removed at the end, and the attention mask of the batch under way."""

    def __init__(self) -> None:
        self.mask = torch.ones(1, 1)
        self._handles: list[Any] = []

    def __enter__(self) -> _Hooks:
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    def on_input(self, module: nn.Module, see: Callable[[torch.Tensor], None]) -> None:
        self._handles.append(module.register_forward_pre_hook(lambda _, args: see(args[0])))

    def on_output(self, module: nn.Module, see: Callable[[torch.Tensor], None]) -> None:
        self._handles.append(module.register_forward_hook(lambda _, __, output: see(_first(output))))

    def on_block(self, module: nn.Module, see: Callable[[torch.Tensor, torch.Tensor], None]) -> None:
        self._handles.append(
            module.register_forward_hook(lambda _, args, output: see(args[0], _first(output)))
        )


class _InfluenceSum:
    """Sums of cosines over tokens, by block."""

    def __init__(self, depth: int) -> None:
        self._cosines = torch.zeros(depth, dtype=torch.float64)
        self._tokens = torch.zeros(depth, dtype=torch.float64)

    def adder(self, index: int, hooks: _Hooks) -> Callable[[torch.Tensor, torch.Tensor], None]:
        def add(before: torch.Tensor, after: torch.Tensor) -> None:
            cosine = nn.functional.cosine_similarity(before.double(), after.double(), dim=-1)
            mask = hooks.mask.to(cosine).expand_as(cosine)
            self._cosines[index] += (cosine * mask).sum().cpu()
            self._tokens[index] += mask.sum().cpu()

        return add

    def value(self) -> np.ndarray:
        influence: np.ndarray = (1.0 - self._cosines / self._tokens).numpy()
        return influence


def run(model: nn.Module, batches: Sequence[CalibrationBatch], hooks: _Hooks) -> None:
    """Forward every batch without gradients."""
    device = next(model.parameters()).device
    with torch.no_grad():
        for batch in batches:
            inputs = {name: tensor.to(device) for name, tensor in batch.inputs.items()}
            hooks.mask = attention_mask(inputs)
            model(**inputs)


def attention_mask(inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """1 at real tokens, `(batch, sequence)`."""
    mask = inputs.get("attention_mask")
    return torch.ones_like(inputs["input_ids"]) if mask is None else mask


def _adder(sums: torch.Tensor, index: int, hooks: _Hooks) -> Callable[[torch.Tensor], None]:
    """Add the squared mean of `|x|` over real tokens, summed over examples; x `(batch, sequence, units)`."""

    def add(x: torch.Tensor) -> None:
        mask = hooks.mask.to(x.device, torch.float64).unsqueeze(-1)
        mean = (x.detach().double().abs() * mask).sum(dim=1) / mask.sum(dim=1)
        sums[index] += mean.square().sum(dim=0).cpu()

    return add


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
