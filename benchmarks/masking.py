"""Forward of a quarter-size sub-network against the same one got by masking.

Source: the reference implementation of Klein et al. 2024 multiplies the heads' outputs and the FFN's
neurons by zeros and ones in hooks, so that every sub-network costs what the full model does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import nn

from benchmarks.machine import use_one_thread
from benchmarks.models import BERT_BASE, MINILM, TINY, quarter, random_inputs, random_model, random_supernet
from benchmarks.pairs import paired_row
from benchmarks.table import Goal, Row

_GOAL: Final = Goal(">=", 3.0)
_WORKLOADS: Final = ((32, 32), (1, 128))


def run(*, quick: bool) -> list[Row]:
    use_one_thread()
    rows = []
    for name in (TINY,) if quick else (MINILM, BERT_BASE):
        supernet, masked = random_supernet(name), random_model(name)
        for batch_size, length in _WORKLOADS[1:] if quick else _WORKLOADS:
            inputs = random_inputs(supernet, batch_size, length)
            with (
                torch.inference_mode(),
                _masks(masked, kept_share=0.25),
                supernet.active(quarter(supernet)) as active,
            ):
                torch.testing.assert_close(active(**inputs).logits, masked(**inputs).logits)
                rows.append(
                    paired_row(
                        f"masked ÷ active, {name}, quarter, {batch_size} × {length}",
                        lambda: active(**inputs),  # noqa: B023  # called before the loop goes on
                        lambda: masked(**inputs),  # noqa: B023  # likewise
                        goal=_GOAL,
                        quick=quick,
                        is_speed_up=True,
                    )
                )
    return rows


@contextmanager
def _masks(model: nn.Module, *, kept_share: float) -> Iterator[None]:
    """Multiply the input of each block's two output projections by a mask of its first units."""
    handles = []
    layers: Any = model.get_submodule("bert.encoder.layer")
    for block in layers:
        for projection in (block.attention.output.dense, block.output.dense):
            mask = torch.zeros(projection.in_features)
            mask[: round(projection.in_features * kept_share)] = 1.0
            handles.append(projection.register_forward_pre_hook(_multiply_by(mask)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _multiply_by(mask: torch.Tensor) -> Any:
    def hook(module: nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        del module
        return (inputs[0] * mask,)

    return hook
