"""Forward hooks on the parts of a model, and which of the tokens that they see are real.

Hooks sit on the modules themselves: `output_hidden_states` is no substitute, since some models return its
last entry after the final norm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from nas.importance.base import CalibrationBatch, Subject

#: Gets activations `(batch, sequence, units)` and their mask `(batch, sequence)`, 1 at real tokens.
See = Callable[[torch.Tensor, torch.Tensor], None]
#: Gets a block's input and output `(batch, sequence, hidden_size)`, and their mask.
SeeBlock = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], None]


class Hooks:
    """Forward hooks that are removed at the end of a `with` block. What they hand on has no gradient."""

    def __init__(self, subject: Subject) -> None:
        self._has_decoder = len(subject.shape.stacks) > 1
        self._rows = 1
        self._masks: list[torch.Tensor | None] = []
        self._handles: list[Any] = []

    def see(self, batch: CalibrationBatch) -> None:
        """Note which tokens are real: of a target those that are to be predicted."""
        self._rows = num_rows(batch)
        self._masks = real_tokens(batch, has_decoder=self._has_decoder)

    def on_input(self, module: nn.Module, stack: int, see: See) -> None:
        """Show what a module gets."""
        self._handles.append(
            module.register_forward_pre_hook(
                lambda _, args, kwargs: self._show(input_of(args, kwargs), stack, see), with_kwargs=True
            )
        )

    def on_output(self, module: nn.Module, stack: int, see: See) -> None:
        """Show what a module gives."""
        self._handles.append(
            module.register_forward_hook(lambda _, __, output: self._show(_first(output), stack, see))
        )

    def on_block(self, module: nn.Module, stack: int, see: SeeBlock) -> None:
        """Show what a block gets and gives."""

        def show(_: object, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            before, after = self._rowwise(input_of(args, kwargs)), self._rowwise(_first(output))
            see(before, after, self.mask(after, stack))

        self._handles.append(module.register_forward_hook(show, with_kwargs=True))

    def mask(self, x: torch.Tensor, stack: int) -> torch.Tensor:
        """1 at real tokens of activations `(batch, sequence, ...)`, 0 at padding; float64."""
        mask = self._masks[stack]
        if mask is None or mask.shape != x.shape[:2]:  # images and speech have no padding
            return x.new_ones(x.shape[:2], dtype=torch.float64)
        return mask.to(x.device, torch.float64)

    def __enter__(self) -> Hooks:
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _show(self, x: torch.Tensor, stack: int, see: See) -> None:
        x = self._rowwise(x)
        see(x, self.mask(x, stack))

    def _rowwise(self, x: torch.Tensor) -> torch.Tensor:
        return by_rows(x, self._rows).detach()


def num_rows(batch: CalibrationBatch) -> int:
    """Sequences, images or recordings of a batch."""
    return int(next(iter(batch.inputs.values())).shape[0])


def by_rows(x: torch.Tensor, rows: int) -> torch.Tensor:
    """`(batch, sequence, units)`, also of the feed-forward layers that see all tokens in one dimension."""
    if x.ndim != 2:
        return x
    return x.view(rows if x.shape[0] % rows == 0 else 1, -1, x.shape[1])


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[None]:
    """Dropout off for the length of the block."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def real_tokens(batch: CalibrationBatch, *, has_decoder: bool) -> list[torch.Tensor | None]:
    """Which tokens of each stack are no padding, `(batch, sequence)`: of a target those to be predicted.

    None where a stack has no padding, as for images and speech.
    """
    mask, target = batch.inputs.get("attention_mask"), batch.labels
    is_row = has_decoder and target is not None and target.ndim == 2
    return [mask, None if target is None or not is_row else target.ge(0)]


def input_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.Tensor:
    """What a block or a layer was called on."""
    tensor: torch.Tensor = args[0] if args else kwargs["hidden_states"]
    return tensor


def _first(output: Any) -> torch.Tensor:
    tensor: torch.Tensor = output[0] if isinstance(output, tuple) else output
    return tensor
