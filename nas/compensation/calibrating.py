"""Running the full model over calibration data, with hooks that are gone afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from torch import nn

from nas.compensation.closed_form import Moments
from nas.compensation.projections import Projection
from nas.importance import CalibrationBatch
from nas.importance.hooks import eval_mode, input_of, real_tokens
from nas.supernet import Supernet
from nas.tasks import task_of

#: Hands the real tokens of activations `(batch, sequence, width)` of a stack on as rows `(tokens, width)`.
Rows: TypeAlias = Callable[[torch.Tensor, int], torch.Tensor]


class Pass:
    """One pass of the full model over calibration data; hooks that are added end with it."""

    def __init__(self, supernet: Supernet) -> None:
        self._supernet = supernet
        self._handles: list[Any] = []
        self._masks: list[torch.Tensor | None] = [None, None]

    def on_input(self, module: nn.Module, see: Callable[[torch.Tensor], None]) -> None:
        """Call `see` with each input of a module."""
        self._handles.append(
            module.register_forward_pre_hook(
                lambda _, args, kwargs: see(input_of(args, kwargs)), with_kwargs=True
            )
        )

    def on_output(self, module: nn.Module, see: Callable[[Any], Any]) -> None:
        """Call `see` with each output of a module; what it returns takes its place, unless None."""
        self._handles.append(module.register_forward_hook(lambda _, __, output: see(output)))

    def rows(self, x: torch.Tensor, stack: int) -> torch.Tensor:
        """The real tokens of activations of a stack as rows `(tokens, width)`; padding is left out."""
        mask = self._masks[stack]
        rows = x.detach().reshape(-1, x.shape[-1])
        if mask is None or mask.numel() != len(rows):  # images and speech have no padding
            return rows
        return rows[mask.to(x.device, torch.bool).reshape(-1)]

    def run(self, batches: Sequence[CalibrationBatch]) -> int:
        """Forward every batch through the full model, without gradients and dropout; returns how many."""
        task, supernet = task_of(self._supernet.task), self._supernet
        has_decoder = len(supernet.shape.stacks) > 1
        with supernet.active(supernet.full) as model, eval_mode(model), torch.no_grad():
            for batch in batches:
                self._masks = real_tokens(batch, has_decoder=has_decoder)
                task.forward(model, batch.inputs)
        return len(batches)

    def close(self) -> None:
        """Remove all hooks."""
        for handle in self._handles:
            handle.remove()


@contextmanager
def calibration_pass(supernet: Supernet) -> Iterator[Pass]:
    """A pass whose hooks are removed at the end of the block."""
    own = Pass(supernet)
    try:
        yield own
    finally:
        own.close()


def gather_moments(
    supernet: Supernet, projections: Sequence[Projection], batches: Sequence[CalibrationBatch]
) -> dict[str, Moments]:
    """Moments of the inputs of projections by their paths: one forward pass a batch."""
    sums = {projection.path: MomentSum() for projection in projections}
    with calibration_pass(supernet) as own:
        for projection in projections:
            stack = stack_of(supernet, projection.layer)
            add = _adder(sums[projection.path], own.rows, stack)
            own.on_input(projection.module(supernet.model), add)
        own.run(batches)
    return {path: total.moments() for path, total in sums.items()}


def stack_of(supernet: Supernet, layer: int) -> int:
    """Number of the stack that a block lies in."""
    return next(number for number, stack in enumerate(supernet.shape.stacks) if layer in stack)


def precise(x: torch.Tensor) -> torch.Tensor:
    """Activations in float32 at least."""
    return x if x.dtype == torch.float64 else x.float()


class MomentSum:
    """Sums of `x x^T` and `x` over tokens, where the activations are."""

    def __init__(self) -> None:
        self._second: torch.Tensor | None = None
        self._first: torch.Tensor | None = None
        self._tokens = 0

    def add(self, rows: torch.Tensor) -> None:
        """Add tokens `(tokens, inputs)`."""
        x = precise(rows)
        second, first = x.T @ x, x.double().sum(dim=0)
        self._second = second if self._second is None else self._second.add_(second)
        self._first = first if self._first is None else self._first.add_(first)
        self._tokens += len(x)

    def moments(self) -> Moments:
        """Means over the tokens that were added."""
        assert self._second is not None, "the module was not called"
        assert self._first is not None
        return Moments(
            second=self._second.div_(max(1, self._tokens)),
            mean=self._first / max(1, self._tokens),
            tokens=self._tokens,
        )


def _adder(total: MomentSum, rows: Rows, stack: int) -> Callable[[torch.Tensor], None]:
    return lambda x: total.add(rows(x, stack))
