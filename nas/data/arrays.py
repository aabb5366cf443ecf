"""Examples that are arrays of one size: images, or features of sound."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from nas.data.batches import Batch, BatchedDataset, LabelKind, update_arrays
from nas.data.examples import positions_of, read_only
from nas.data.padding import flat_positions, offsets_of, padded_rows, shifted_right

InputName: TypeAlias = Literal["pixel_values", "input_features"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ArrayDataset(BatchedDataset):
    """Arrays with a class each, or with a target text each.

    Bytes stay bytes, a quarter of the memory, and are normalised where a batch is built.

    Attributes:
        arrays: uint8 or float32, `(examples, channels, …)`, read-only.
        input_name: the argument of the model's forward.
        scale, offset: a value becomes `value * scale + offset` of its channel, float32 `(channels,)`.
        label_offsets: of target texts, where each example's labels start; None for one class an example.
        decoder_start_token_id: of target texts, the first token that the decoder reads.
        pad_token_id: of target texts.
    """

    arrays: npt.NDArray[np.uint8] | npt.NDArray[np.float32]
    input_name: InputName
    scale: tuple[float, ...] | None = None
    offset: tuple[float, ...] | None = None
    label_offsets: npt.NDArray[np.int64] | None = None
    decoder_start_token_id: int | None = None
    pad_token_id: int = 0

    def __len__(self) -> int:
        return len(self.arrays)

    @property
    def label_kind(self) -> LabelKind:
        """See `BatchedDataset.label_kind`."""
        return "class" if self.label_offsets is None else "target-text"

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """The length of the target, or the same for all, `(examples,)`."""
        if self.label_offsets is None:
            return np.ones(len(self), dtype=np.int64)
        lengths: npt.NDArray[np.int64] = np.diff(self.label_offsets)
        return lengths

    @cached_property
    def sha256(self) -> str:
        """Hash of the arrays, their normalisation and the labels."""
        facts = (
            *(self.arrays.shape, self.input_name, self.scale, self.offset),
            *(self.label_names, self.decoder_start_token_id, self.pad_token_id),
        )
        digest = hashlib.sha256(repr(facts).encode())
        update_arrays(digest, (self.arrays, self.labels, self.label_offsets))
        return digest.hexdigest()

    def take(self, indices: Sequence[int] | npt.NDArray[np.integer]) -> Self:
        """The examples at these positions, in this order."""
        positions = np.arange(len(self))[positions_of(indices)]
        changes: dict[str, Any] = {"arrays": read_only(self.arrays[positions])}
        if self.label_offsets is None:
            changes["labels"] = read_only(self.labels[positions])
        else:
            flat, lengths = flat_positions(self.label_offsets, positions)
            changes |= {
                "labels": read_only(self.labels[flat]),
                "label_offsets": read_only(offsets_of(lengths)),
            }
        return self._changed(**changes)

    def batch(
        self, indices: Sequence[int] | npt.NDArray[np.integer], *, pad_to_multiple_of: int | None = None
    ) -> Batch:
        """The examples at these positions, normalised; arrays have one size, so nothing is padded."""
        import torch

        del pad_to_multiple_of
        positions = positions_of(indices)
        inputs: dict[str, torch.Tensor] = {
            self.input_name: torch.from_numpy(self._normalised(self.arrays[positions]))
        }
        labels: npt.NDArray[Any] = self.labels
        if self.label_offsets is None:
            labels = self.labels[positions]
        else:
            labels = padded_rows(self.labels, self.label_offsets, np.arange(len(self))[positions])
            assert self.decoder_start_token_id is not None, "target texts are read by a decoder"
            shifted = shifted_right(
                labels, start_token_id=self.decoder_start_token_id, pad_token_id=self.pad_token_id
            )
            inputs["decoder_input_ids"] = torch.from_numpy(shifted)
        return Batch(inputs=inputs, labels=torch.from_numpy(labels), indices=positions)

    def _normalised(self, values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        result = values.astype(np.float32)
        shape = (-1, *[1] * (values.ndim - 2))
        if self.scale is not None:
            result *= np.array(self.scale, np.float32).reshape(shape)
        if self.offset is not None:
            result += np.array(self.offset, np.float32).reshape(shape)
        return result
