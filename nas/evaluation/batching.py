"""Which examples share a forward pass: little padding, few passes, bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from nas.data import Batch, BatchedDataset, EncodedDataset
from nas.data.order import batch_plan

BatchSize: TypeAlias = int | Literal["auto"]

#: Most examples of an automatic batch.
MOST_EXAMPLES: Final = 64
#: Memory of the widest activation of an automatic batch, held in float32 by losses.
_ACTIVATION_BYTES: Final = 128 * 2**20
#: What a forward pass costs besides its tokens, as a number of tokens, on a CPU (docs/evaluation-cost.md).
#: Where it was not measured passes are taken to be dear, so that their number decides.
_PASS_TOKENS: Final = {torch.float32: 64, torch.bfloat16: 128}
_DEAR_PASS_TOKENS: Final = 2**20


def planned_batches(
    data: BatchedDataset, positions: npt.NDArray[np.int64], batch_size: BatchSize, model: nn.Module
) -> Iterator[Batch]:
    """The examples at these positions, longest first; the indices of a batch count within `positions`.

    A number of examples is kept to; `auto` cuts rows of tokens so that padding and the number of passes
    together cost least, and memory stays bounded. Other data have one size and go by `MOST_EXAMPLES`.
    """
    if batch_size == "auto" and isinstance(data, EncodedDataset):
        plan = cheapest_plan(
            _tokens(data)[positions], max_tokens=token_budget(model), pass_tokens=_pass_tokens(model)
        )
    else:
        examples = MOST_EXAMPLES if batch_size == "auto" else batch_size
        plan = batch_plan(data.lengths[positions], examples, order="length")
    for rows in plan:
        yield replace(data.batch(positions[rows]), indices=rows)


def cheapest_plan(
    lengths: npt.NDArray[np.int64], *, max_tokens: int, pass_tokens: int, max_examples: int = MOST_EXAMPLES
) -> list[npt.NDArray[np.int64]]:
    """Positions of each batch, longest first, for the least sum of padded tokens and `pass_tokens` a batch.

    Found by dynamic programming over the sorted lengths; among batches of neighbours, which hold the
    cheapest of all plans, it is exact. A batch has at most `max_tokens` with its padding, or one example.
    """
    order = np.argsort(-lengths, kind="stable")
    widths = lengths[order]
    costs = np.zeros(len(widths) + 1)
    starts = np.zeros(len(widths) + 1, np.int64)
    for stop in range(1, len(widths) + 1):
        first = np.arange(max(0, stop - max_examples), stop)
        padded = widths[first] * (stop - first)
        total = costs[first] + padded + pass_tokens
        total[(padded > max_tokens) & (first < stop - 1)] = np.inf
        best = int(np.argmin(total))
        costs[stop], starts[stop] = total[best], first[best]
    return [order[start:stop] for start, stop in _spans(starts)]


def token_budget(model: nn.Module) -> int:
    """Most tokens of a batch: so many outputs of the widest linear layer fill the memory meant for them.

    In language models that layer is the head, as wide as the vocabulary.
    """
    widest = max((_width(module) for module in model.modules()), default=1)
    return max(1, _ACTIVATION_BYTES // (4 * widest))


def examples_of(batch_size: BatchSize, data: BatchedDataset, model: nn.Module) -> int:
    """A fixed number of examples within the same bounds, whatever their lengths."""
    if batch_size != "auto":
        return batch_size
    if not isinstance(data, EncodedDataset):
        return MOST_EXAMPLES
    return int(np.clip(token_budget(model) // _tokens(data).max(), 1, MOST_EXAMPLES))


def _pass_tokens(model: nn.Module) -> int:
    weight = next(model.parameters())
    is_measured = weight.device.type == "cpu"
    return _PASS_TOKENS.get(weight.dtype, _DEAR_PASS_TOKENS) if is_measured else _DEAR_PASS_TOKENS


def _tokens(data: EncodedDataset) -> npt.NDArray[np.int64]:
    """Tokens of an example's rows when padded, or of its target where that is longer, `(examples,)`."""
    own = data.lengths * data.rows_an_example
    return own if data.label_offsets is None else np.maximum(own, np.diff(data.label_offsets))


def _spans(starts: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """From where each prefix's last batch starts to the batches of the whole."""
    spans, stop = [], len(starts) - 1
    while stop > 0:
        spans.append((int(starts[stop]), stop))
        stop = int(starts[stop])
    return spans[::-1]


def _width(module: Any) -> int:
    if isinstance(module, nn.Linear):
        return module.out_features
    return int(module.nf) if isinstance(module, Conv1D) else 0
