"""What a sub-network learns from a teacher: its logits, and its hidden states block by block."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from nas.errors import ConfigError
from nas.tasks import Aligned, distillation_loss, mean_loss
from search_spaces import SubnetConfig, Units

#: Outputs of blocks by their index in the full model, `(batch, sequence, kept hidden)`.
HiddenStates = Mapping[int, torch.Tensor]


@dataclass(frozen=True, kw_only=True, slots=True)
class Distillation:
    """Weights of the terms of a taught pass's loss; passes without a teacher take the labels alone.

    Attributes:
        labels: of the loss against the labels; 0 learns from the teacher alone.
        logits: of the Kullback-Leibler divergence to the teacher's logits.
        hidden: of the mean squared error to the teacher's hidden states.
        temperature: that both logits are divided by.
    """

    labels: float = 1.0
    logits: float = 1.0
    hidden: float = 0.0
    temperature: float = 1.0

    def __post_init__(self) -> None:
        for name in ("labels", "logits", "hidden"):
            weight = getattr(self, name)
            if not 0 <= weight < math.inf:
                raise ConfigError(f"distillation: {name} is {weight}; a weight is at least 0")
        if self.logits == self.hidden == 0:
            raise ConfigError("distillation: logits and hidden are both 0; one of them must be positive")
        if not 0 < self.temperature < math.inf:
            raise ConfigError(f"distillation: temperature is {self.temperature}; it must be positive")


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What one forward pass gave: the counted items, and the hidden states where they are compared."""

    items: Aligned
    hidden: HiddenStates


def taught_loss(
    student: Outputs,
    teacher: Outputs,
    config: SubnetConfig,
    mask: Mapping[int, torch.Tensor],
    distillation: Distillation,
) -> torch.Tensor:
    """The weighted loss of a pass that has a teacher; the teacher gets no gradient.

    Args:
        student: of the sub-network.
        teacher: of the teacher on the same examples.
        config: the sub-network.
        mask: real tokens by block, see `hidden_loss`.
        distillation: weights.
    """
    terms = []
    if distillation.labels:
        terms.append(distillation.labels * mean_loss(student.items))
    if distillation.logits:
        predictions = student.items.predictions, teacher.items.predictions
        terms.append(distillation.logits * distillation_loss(*predictions, distillation.temperature))
    if distillation.hidden:
        terms.append(distillation.hidden * hidden_loss(student.hidden, teacher.hidden, config.hidden, mask))
    return torch.stack(terms).sum()


def hidden_loss(
    student: HiddenStates, teacher: HiddenStates, kept: Units, mask: Mapping[int, torch.Tensor]
) -> torch.Tensor:
    """Mean squared error over kept blocks, real tokens and kept channels.

    Kept block i is compared with the teacher's block i, whose outputs it replaces in the supernet.

    Args:
        student: outputs of the kept blocks.
        teacher: outputs of all blocks, `(batch, sequence, hidden_size)`.
        kept: channels that the student keeps.
        mask: 1 at real tokens, `(batch, sequence)`, of blocks whose inputs are padded.

    Source: as Hou et al. 2020 (DynaBERT, arXiv 2004.04037), Eq. 3, whose sum over blocks is a mean here, and
    whose teacher's blocks are matched by their share of the depth.
    """
    losses = [_block_loss(ours, _channels(teacher[i], kept), mask.get(i)) for i, ours in student.items()]
    return torch.stack(losses).mean()


def _block_loss(student: torch.Tensor, teacher: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    squares = (student.float() - teacher.detach().float()).square().mean(dim=-1)
    if mask is None or mask.shape != squares.shape:
        return squares.mean()
    weights = mask.to(squares.dtype)
    return (squares * weights).sum() / weights.sum().clamp(min=1.0)


def _channels(states: torch.Tensor, kept: Units) -> torch.Tensor:
    if isinstance(kept, int):
        return states[..., :kept]
    return states.index_select(-1, torch.tensor(kept, device=states.device))
