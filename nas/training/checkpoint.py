"""A training run on disk, enough to continue to the same weights.

Everything random is a function of the seed and the step, so that the step is all that has to be known
besides weights and optimiser.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from nas.artifacts import ArtifactStore, has_other_files
from nas.artifacts.files import TEMPORARY
from nas.errors import ConfigError, StorageError
from nas.training.passes import StepCost

_NAME: Final = "training"


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
    """Write weights, optimiser and position; the checkpoint before stays, the one before that goes.

    Raises:
        StorageError: too little free space, or the folder cannot be written.
    """
    tensors = {f"weight.{name}": weight.detach() for name, weight in weights.items()}
    for index, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            tensors[f"optimizer.{index}.{name}"] = torch.as_tensor(value)
    store = ArtifactStore.open(folder)
    store.require_space(sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()))
    with _scratch(folder) as file:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)
        store.put_file(_NAME, file, fingerprint=fingerprint, facts=asdict(position), is_moved=True)


def resume_training(
    folder: Path, *, fingerprint: str, weights: dict[str, nn.Parameter], optimizer: torch.optim.Optimizer
) -> Position | None:
    """Put the newest whole checkpoint back into weights and optimiser; None where there is none.

    Raises:
        ConfigError: the folder is of a run with other data, settings or starting weights, or of none.
        StorageError: every checkpoint is damaged.
    """
    found = _newest(folder, fingerprint)
    if found is None:
        return None
    facts, tensors = found
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(tensors[f"weight.{name}"])
    optimizer.load_state_dict({**optimizer.state_dict(), "state": _optimizer_state(tensors)})
    return Position(step=facts["step"], spent=Spent(**facts["spent"]), is_bfloat16=facts["is_bfloat16"])


def _newest(folder: Path, fingerprint: str) -> tuple[Mapping[str, Any], dict[str, torch.Tensor]] | None:
    """Facts and tensors of the newest checkpoint that is whole."""
    store = ArtifactStore.open(folder)
    kept = store.generations(_NAME)
    if has_other_files(folder) or (kept and all(one.fingerprint != fingerprint for one in kept)):
        raise ConfigError(
            f"{folder} holds no training run with this data, settings and starting weights; "
            "delete it to start anew, or choose another folder"
        )
    if not kept:
        return None
    store.sweep()
    with _scratch(folder) as file:
        found = store.fetch_newest(_NAME, file, fingerprint=fingerprint)
        assert found is not None
        return found.facts, load_file(file)


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A file in the folder that is gone afterwards."""
    file = folder / f"{TEMPORARY}{uuid.uuid4().hex}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield file
    except (OSError, SafetensorError) as error:
        raise StorageError(f"cannot write {folder}: {error}") from error
    finally:
        file.unlink(missing_ok=True)


def _optimizer_state(tensors: dict[str, torch.Tensor]) -> dict[int, dict[str, Any]]:
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "optimizer":
            index, _, entry = rest.partition(".")
            state.setdefault(int(index), {})[entry] = tensor
    return state
