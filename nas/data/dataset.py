"""Token ids of a data set: kept flat, padded batch by batch."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nas.data.examples import LabelArray, positions_of, read_only
from nas.data.order import Order, batch_plan, num_batches
from nas.errors import ConfigError

if TYPE_CHECKING:
    import torch

_SHOWN_NAMES = 10


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Some examples, padded to the longest of them.

    Attributes:
        inputs: `input_ids`, `attention_mask` and, when the tokenizer has them, `token_type_ids`; each
            int64 of shape `(batch, sequence)`.
        labels: `(batch,)`, int64 or float32.
        indices: positions in the data set, `(batch,)`.
    """

    inputs: dict[str, torch.Tensor]
    labels: torch.Tensor
    indices: npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class EncodedDataset:
    """Token ids of all examples, one after another; example i is `tokens[offsets[i]:offsets[i + 1]]`.

    Attributes:
        tokens: int32, read-only, so that workers of one node can share it.
        token_types: 0 or 1 for each token, or None when the tokenizer has no token types.
        pad_token_id: the tokenizer's padding token, or its end token when it has none.
    """

    tokens: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    token_types: npt.NDArray[np.int8] | None
    labels: LabelArray
    label_names: tuple[str, ...]
    max_length: int
    pad_token_id: int
    padding_side: str

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of each example, `(examples,)`."""
        return np.diff(self.offsets)

    @property
    def token_count(self) -> int:
        """Tokens of all examples, without padding."""
        return int(self.offsets[-1])

    @cached_property
    def sha256(self) -> str:
        """Hash of everything that a model sees: tokens, types, labels, their order and the padding."""
        digest = hashlib.sha256()
        digest.update(repr((self.label_names, self.pad_token_id, self.padding_side)).encode())
        for array in (self.tokens, self.offsets, self.token_types, self.labels):
            if array is None:
                digest.update(b"none")
                continue
            digest.update(f"{array.dtype.name} {array.size} ".encode())
            digest.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
        return digest.hexdigest()

    def take(self, indices: Sequence[int] | npt.NDArray[np.integer]) -> EncodedDataset:
        """The examples at these positions, in this order."""
        positions = positions_of(indices)
        lengths = self.lengths[positions]
        flat = _flat_positions(self.offsets[positions], lengths)
        return EncodedDataset(
            tokens=read_only(self.tokens[flat]),
            offsets=read_only(offsets_of(lengths)),
            token_types=None if self.token_types is None else read_only(self.token_types[flat]),
            labels=read_only(self.labels[positions]),
            label_names=self.label_names,
            max_length=self.max_length,
            pad_token_id=self.pad_token_id,
            padding_side=self.padding_side,
        )

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

    def batch(
        self, indices: Sequence[int] | npt.NDArray[np.integer], *, pad_to_multiple_of: int | None = None
    ) -> Batch:
        """The examples at these positions, padded to the longest (rounded up, at most to `max_length`)."""
        import torch

        positions = positions_of(indices)
        lengths = self.lengths[positions]
        width = _width(int(lengths.max()), pad_to_multiple_of, self.max_length)
        columns = np.arange(width)
        mask = columns < lengths[:, None]
        if self.padding_side == "left":
            mask = columns >= width - lengths[:, None]
        flat = _flat_positions(self.offsets[positions], lengths)
        inputs = {"input_ids": _padded(self.tokens[flat], mask, self.pad_token_id), "attention_mask": mask}
        if self.token_types is not None:
            inputs["token_type_ids"] = _padded(self.token_types[flat], mask, 0)
        return Batch(
            inputs={name: torch.from_numpy(array.astype(np.int64)) for name, array in inputs.items()},
            labels=torch.from_numpy(self.labels[positions]),
            indices=positions,
        )


def offsets_of(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Where each example starts, and where the last one ends: `(examples + 1,)`."""
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths, dtype=np.int64)])


def _flat_positions(starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Positions of the tokens of several examples, one example after another."""
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    positions: npt.NDArray[np.int64] = np.repeat(starts, lengths) + within
    return positions


def _padded(
    flat: npt.NDArray[np.integer], mask: npt.NDArray[np.bool_], padding: int
) -> npt.NDArray[np.int64]:
    rows = np.full(mask.shape, padding, dtype=np.int64)
    rows[mask] = flat
    return rows


def _width(longest: int, multiple: int | None, max_length: int) -> int:
    if multiple is None:
        return longest
    if multiple < 1:
        raise ConfigError(
            f"pad_to_multiple_of is {multiple}; it must be at least 1, or None for no rounding."
        )
    return max(longest, min(-(-longest // multiple) * multiple, max_length))


def _shown(names: tuple[str, ...]) -> str:
    more = ", …" if len(names) > _SHOWN_NAMES else ""
    return ", ".join(names[:_SHOWN_NAMES]) + more
