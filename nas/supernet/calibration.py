"""The calibration data that a supernet remembers, so that its sub-networks can be compensated later."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file, save_file

from nas.importance import CalibrationBatch

CALIBRATION: Final = "calibration.safetensors"
#: Batches beyond it are not remembered; images are large.
MAX_BYTES: Final = 64_000_000
_NUMBER: Final = "num_batches"


@dataclass(frozen=True, kw_only=True, eq=False)
class Remembered:
    """One batch of calibration data.

    Attributes:
        inputs: arguments of the model's forward.
        labels: labels as the task has them, or None.
    """

    inputs: Mapping[str, torch.Tensor]
    labels: torch.Tensor | None = None

    @property
    def num_rows(self) -> int:
        """Examples; of texts to compare both texts count."""
        return len(next(iter(self.inputs.values())))

    @property
    def num_bytes(self) -> int:
        """Memory of its tensors."""
        return sum(tensor.nbytes for tensor in self._tensors().values())

    def _tensors(self) -> dict[str, torch.Tensor]:
        labels = {} if self.labels is None else {"labels": self.labels}
        return {**{f"inputs.{name}": tensor for name, tensor in self.inputs.items()}, **labels}


def remembered(batches: Sequence[CalibrationBatch]) -> tuple[Remembered, ...]:
    """Copies of batches without what belongs to their data set alone: at most 64 MB, but at least one."""
    kept: list[Remembered] = []
    size = 0
    for batch in batches:
        own = Remembered(
            inputs={name: _copy(tensor) for name, tensor in batch.inputs.items()},
            labels=None if batch.labels is None else _copy(batch.labels),
        )
        size += own.num_bytes
        if kept and size > MAX_BYTES:
            break
        kept.append(own)
    return tuple(kept)


def save_calibration(batches: Sequence[Remembered], folder: Path) -> None:
    """Write `calibration.safetensors`; no file where there is no batch."""
    tensors = {
        f"{number}.{name}": tensor
        for number, batch in enumerate(batches)
        for name, tensor in batch._tensors().items()
    }
    if tensors:
        # Whole numbers: a file of floating-point tensors alone would be taken for the weights.
        save_file({**tensors, _NUMBER: torch.tensor(len(batches))}, folder / CALIBRATION)


def load_calibration(folder: Path) -> tuple[Remembered, ...]:
    """Read what `save_calibration` wrote; the caller has checked the file."""
    path = folder / CALIBRATION
    if not path.is_file():
        return ()
    by_batch: dict[int, dict[str, torch.Tensor]] = {}
    for key, tensor in load_file(path).items():
        number, _, name = key.partition(".")
        if key == _NUMBER:
            continue
        by_batch.setdefault(int(number), {})[name] = tensor
    return tuple(_batch_of(by_batch[number]) for number in sorted(by_batch))


def calibration_sha256(batches: Sequence[CalibrationBatch]) -> str:
    """Hash of all inputs and labels, in their order."""
    digest = hashlib.sha256()
    for batch in remembered(batches):
        for name, tensor in sorted(batch._tensors().items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
            digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _copy(tensor: torch.Tensor) -> torch.Tensor:
    """With memory of its own, so that tensors that share some can be saved."""
    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)


def _batch_of(tensors: Mapping[str, torch.Tensor]) -> Remembered:
    names = [name for name in tensors if name != "labels"]
    inputs = {name.removeprefix("inputs."): tensors[name] for name in names}
    return Remembered(inputs=inputs, labels=tensors.get("labels"))
