"""Several processes that train the same sub-networks on shares of the same batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from nas.data import Batch


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process among all that train together; they must have a default process group.

    DistributedDataParallel is no help here: its hooks expect each weight once in one backward pass, but a
    step has several passes, and the last one leaves weights out that earlier ones use. So gradients are added
    up after all passes of a step.

    Attributes:
        rank: of this process, counted from 0; rank 0 saves.
        size: number of processes.
    """

    rank: int = 0
    size: int = 1

    @staticmethod
    def of_process_group() -> Ranks:
        """The place of this process in torch's default process group; alone where there is none."""
        if not (dist.is_available() and dist.is_initialized()):
            return ALONE
        return Ranks(dist.get_rank(), dist.get_world_size())

    def share(self, batch: Batch) -> Batch:
        """The part of a batch that this process sees, padded as the whole batch is; it may be empty."""
        if self.size == 1:
            return batch
        chosen = np.array_split(np.arange(len(batch.labels)), self.size)[self.rank]
        first, count = (int(chosen[0]), len(chosen)) if len(chosen) else (0, 0)
        rows = len(next(iter(batch.inputs.values()))) // max(1, len(batch.labels))
        return replace(
            batch,
            inputs={k: v.narrow(0, first * rows, count * rows) for k, v in batch.inputs.items()},
            labels=batch.labels.narrow(0, first, count),
            indices=batch.indices[first : first + count],
        )

    def sum(self, *values: float) -> list[float]:
        """Numbers summed over all processes."""
        if self.size == 1:
            return list(values)
        device = "cuda" if dist.get_backend() == "nccl" else "cpu"
        total = torch.tensor(values, dtype=torch.float64, device=device)
        dist.all_reduce(total)
        return [float(value) for value in total]

    def add_up(self, weights: Sequence[nn.Parameter]) -> None:
        """Sum gradients over all processes; a weight that none of them used keeps no gradient."""
        if self.size == 1:
            return
        counts = self.sum(*(float(weight.grad is not None) for weight in weights))
        work = []
        for weight, used in zip(weights, counts, strict=True):
            if used:
                weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
                work.append(dist.all_reduce(weight.grad, async_op=True))
        for one in work:
            one.wait()

    def agree(self, value: bool) -> bool:
        """What rank 0 thinks."""
        return self.sum(float(value and self.rank == 0))[0] > 0

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            dist.barrier()


ALONE: Final = Ranks()
