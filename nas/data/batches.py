"""Batches, and what every data set that serves them has in common."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from nas.data.examples import LabelArray
from nas.data.limits import limited
from nas.data.order import Order, batch_plan, num_batches
from nas.errors import ConfigError

if TYPE_CHECKING:
    import torch

LabelKind: TypeAlias = Literal[
    "class", "number", "tags", "next-token", "masked-token", "target-text", "similarity"
]
"""What a label is: one an example, one a token, or a text of its own."""

_SHOWN_NAMES: Final = 10


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Some examples, padded to the longest of them.

    Attributes:
        inputs: arguments of the model's forward, the first axis the rows; of texts `input_ids`,
            `attention_mask` and, when the tokenizer has them, `token_type_ids`, each int64
            `(rows, sequence)`. A pair of texts to compare has two rows, one after the other; every other
            example has one.
        labels: one an example, `(batch,)` int64 or float32; or one a token, int64 `(batch, sequence)`, -100
            where nothing is counted.
        indices: positions in the data set, `(batch,)`.
    """

    inputs: dict[str, torch.Tensor]
    labels: torch.Tensor
    indices: npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class BatchedDataset(ABC):
    """Examples with labels, in batches whose order is a function of seed and epoch.

    Attributes:
        labels: one an example, or the labels of all tokens one after another; read-only.
        label_names: one name a class; empty where labels are no classes.
    """

    labels: LabelArray | npt.NDArray[np.int32]
    label_names: tuple[str, ...]

    @abstractmethod
    def __len__(self) -> int: ...

    @property
    @abstractmethod
    def label_kind(self) -> LabelKind:
        """What a label is."""

    @property
    @abstractmethod
    def lengths(self) -> npt.NDArray[np.int64]:
        """What an example costs compared with others, e.g. its tokens, `(examples,)`."""

    @property
    @abstractmethod
    def sha256(self) -> str:
        """Hash of everything that a model sees, and of the labels."""

    @abstractmethod
    def take(self, indices: Sequence[int] | npt.NDArray[np.integer]) -> Self:
        """The examples at these positions, in this order."""

    @abstractmethod
    def batch(
        self, indices: Sequence[int] | npt.NDArray[np.integer], *, pad_to_multiple_of: int | None = None
    ) -> Batch:
        """The examples at these positions."""

    def limit(self, n: int, seed: int = 0) -> Self:
        """A random subset of at most `n` examples in their order; a smaller `n` gives a subset of it."""
        return limited(self, n, seed)

    def check_labels(self, num_labels: int) -> None:
        """Raise ConfigError unless a model with `num_labels` outputs fits (1 for a regression)."""
        needed = len(self.label_names) or 1
        if num_labels != needed:
            what = (
                f"{needed} classes ({_shown(self.label_names)})" if self.label_names else "regression targets"
            )
            raise ConfigError(
                f"the model has num_labels={num_labels}, but the data has {what}. Load the model with "
                f"num_labels={needed}, or pass the label_names that the model was trained with."
            )

    def batches(
        self,
        batch_size: int,
        *,
        order: Order,
        seed: int = 0,
        epoch: int = 0,
        pad_to_multiple_of: int | None = None,
    ) -> Iterator[Batch]:
        """Every example once. `length`: longest first; `shuffled`: see `nas.data.order`."""
        plan = batch_plan(self.lengths, batch_size, order=order, seed=seed, epoch=epoch)
        return (self.batch(indices, pad_to_multiple_of=pad_to_multiple_of) for indices in plan)

    def training_batches(
        self, batch_size: int, *, seed: int, start_step: int = 0, pad_to_multiple_of: int | None = None
    ) -> Iterator[Batch]:
        """Shuffled batches, epoch after epoch, without end; those before `start_step` are never built."""
        if start_step < 0:
            raise ConfigError(f"start_step is {start_step}; it must be at least 0.")
        epoch, skipped = divmod(start_step, num_batches(len(self), batch_size))
        epochs = (
            batch_plan(self.lengths, batch_size, order="shuffled", seed=seed, epoch=later)
            for later in itertools.count(epoch)
        )
        plan = itertools.islice(itertools.chain.from_iterable(epochs), skipped, None)
        return (self.batch(indices, pad_to_multiple_of=pad_to_multiple_of) for indices in plan)

    def calibration(self, examples: int = 256, *, batch_size: int = 32, seed: int = 0) -> list[Batch]:
        """Random batches of about so many examples, for ranking units; all batches when there are fewer."""
        count = num_batches(min(examples, len(self)), batch_size)
        return list(itertools.islice(self.training_batches(batch_size, seed=seed), count))

    def _changed(self, **changes: Any) -> Self:
        return dataclasses.replace(self, **changes)


def update_arrays(digest: hashlib._Hash, arrays: Sequence[npt.NDArray[Any] | None]) -> None:
    """Add arrays to a hash: their type, size and values, whatever the machine's byte order."""
    for array in arrays:
        if array is None:
            digest.update(b"none")
            continue
        digest.update(f"{array.dtype.name} {array.size} ".encode())
        digest.update(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())


def _shown(names: tuple[str, ...]) -> str:
    more = ", …" if len(names) > _SHOWN_NAMES else ""
    return ", ".join(names[:_SHOWN_NAMES]) + more
