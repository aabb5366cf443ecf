"""A training run on disk, enough to continue to the same weights.

Everything random is a function of the seed and the step, so that the step is all that has to be known
besides weights and optimiser.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from nas.errors import ConfigError
from nas.supernet.checkpoint import new_folder, read_manifest, recover, write_manifest
from nas.training.passes import StepCost

_TENSORS: Final = "training.safetensors"


@dataclass(frozen=True, kw_only=True, slots=True)
class Spent:
    """What a run has cost so far.

    Attributes:
        passes: forward/backward passes.
        examples: examples seen, once a pass.
        teacher_passes: forward passes of a frozen teacher.
    """

    passes: int = 0
    examples: int = 0
    teacher_passes: int = 0

    def plus(self, step: StepCost) -> Spent:
        """With one more step."""
        return Spent(
            passes=self.passes + step.passes,
            examples=self.examples + step.examples,
            teacher_passes=self.teacher_passes + step.teacher_passes,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """How far a run has come.

    Attributes:
        step: optimiser steps made.
        spent: what they cost.
        is_bfloat16: what `precision: auto` chose, kept so that a resumed run does not choose anew.
    """

    step: int
    spent: Spent
    is_bfloat16: bool


def save_training(
    folder: Path,
    position: Position,
    *,
    fingerprint: str,
    weights: dict[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
) -> None:
    """Write weights, optimiser and position; an older checkpoint stays until the new one is whole."""
    tensors = {f"weight.{name}": weight.detach() for name, weight in weights.items()}
    for index, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            tensors[f"optimizer.{index}.{name}"] = torch.as_tensor(value)
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    with new_folder(folder, needed_bytes=size) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary / _TENSORS)
        write_manifest(temporary, {"format": 2, "fingerprint": fingerprint, **asdict(position)})


def resume_training(
    folder: Path, *, fingerprint: str, weights: dict[str, nn.Parameter], optimizer: torch.optim.Optimizer
) -> Position | None:
    """Put a checkpoint back into weights and optimiser; None where there is no checkpoint.

    Raises:
        ConfigError: the checkpoint is of a run with other data, settings or starting weights.
        StorageError: it is damaged.
    """
    recover(folder)
    if not folder.exists():
        return None
    facts = read_manifest(folder)
    if facts.get("fingerprint") != fingerprint:
        raise ConfigError(
            f"{folder} holds no training run with this data, settings and starting weights; "
            "delete it to start anew, or choose another folder"
        )
    tensors = load_file(folder / _TENSORS)
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(tensors[f"weight.{name}"])
    optimizer.load_state_dict({**optimizer.state_dict(), "state": _optimizer_state(tensors)})
    return Position(step=facts["step"], spent=Spent(**facts["spent"]), is_bfloat16=facts["is_bfloat16"])


def _optimizer_state(tensors: dict[str, torch.Tensor]) -> dict[int, dict[str, Any]]:
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "optimizer":
            index, _, entry = rest.partition(".")
            state.setdefault(int(index), {})[entry] = tensor
    return state
