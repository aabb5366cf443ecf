"""Token ids of a data set: kept flat, padded batch by batch."""

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
from nas.data.padding import (
    IGNORED,
    flat_positions,
    offsets_of,
    padded,
    padded_rows,
    padded_width,
    row_mask,
    shifted_right,
)

TokenLabels: TypeAlias = Literal["tags", "next-token", "masked-token", "target-text"]


@dataclass(frozen=True, kw_only=True, eq=False)
class EncodedDataset(BatchedDataset):
    """Token ids of all rows, one after another; row i is `tokens[offsets[i]:offsets[i + 1]]`.

    An example is a row; of texts to compare it is two rows, `2 * i` and `2 * i + 1`.

    Attributes:
        tokens: int32, read-only, so that workers of one node can share it.
        token_types: 0 or 1 for each token, or None when the tokenizer has no token types.
        pad_token_id: the tokenizer's padding token, or its end token when it has none.
        label_layout: what the labels of tokens are; None for one label an example. `tags`, `next-token` and
            `masked-token` have one for each of `tokens`, -100 where nothing is counted.
        label_offsets: of `target-text`, where each example's labels start, `(examples + 1,)`.
        decoder_start_token_id: of `target-text`, the first token that the decoder reads.
        rows_an_example: 2 for texts to compare.
    """

    tokens: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    token_types: npt.NDArray[np.int8] | None
    max_length: int
    pad_token_id: int
    padding_side: str
    label_layout: TokenLabels | None = None
    label_offsets: npt.NDArray[np.int64] | None = None
    decoder_start_token_id: int | None = None
    rows_an_example: int = 1

    def __len__(self) -> int:
        return (len(self.offsets) - 1) // self.rows_an_example

    @property
    def label_kind(self) -> LabelKind:
        """See `BatchedDataset.label_kind`."""
        if self.label_layout is not None:
            return self.label_layout
        if self.rows_an_example == 2:
            return "similarity"
        return "class" if self.label_names else "number"

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of each example, of the longer text of a pair, `(examples,)`."""
        rows = np.diff(self.offsets).reshape(len(self), self.rows_an_example)
        longest: npt.NDArray[np.int64] = rows.max(axis=1)
        return longest

    @property
    def token_count(self) -> int:
        """Tokens of all examples, without padding."""
        return int(self.offsets[-1])

    @cached_property
    def sha256(self) -> str:
        """Hash of everything that a model sees: tokens, types, labels, their order and the padding."""
        digest = hashlib.sha256()
        digest.update(repr((self.label_names, self.pad_token_id, self.padding_side)).encode())
        update_arrays(digest, (self.tokens, self.offsets, self.token_types, self.labels))
        if self.label_kind not in ("class", "number"):
            digest.update(repr((self.label_kind, self.decoder_start_token_id)).encode())
            update_arrays(digest, (self.label_offsets,))
        return digest.hexdigest()

    def take(self, indices: Sequence[int] | npt.NDArray[np.integer]) -> Self:
        """The examples at these positions, in this order."""
        positions = positions_of(indices)
        flat, lengths = flat_positions(self.offsets, self._rows(positions))
        return self._changed(
            tokens=read_only(self.tokens[flat]),
            offsets=read_only(offsets_of(lengths)),
            token_types=None if self.token_types is None else read_only(self.token_types[flat]),
            **self._labels_at(positions, flat),
        )

    def batch(
        self, indices: Sequence[int] | npt.NDArray[np.integer], *, pad_to_multiple_of: int | None = None
    ) -> Batch:
        """The examples at these positions, padded to the longest (rounded up, at most to `max_length`)."""
        import torch

        positions = positions_of(indices)
        flat, lengths = flat_positions(self.offsets, self._rows(positions))
        width = padded_width(int(lengths.max()), pad_to_multiple_of, self.max_length)
        mask = row_mask(lengths, width, self.padding_side)
        inputs: dict[str, npt.NDArray[Any]] = {
            "input_ids": padded(self.tokens[flat], mask, self.pad_token_id),
            "attention_mask": mask,
        }
        if self.token_types is not None:
            inputs["token_type_ids"] = padded(self.token_types[flat], mask, 0)
        labels: npt.NDArray[Any] = self.labels
        if self.label_layout is None:
            labels = self.labels[positions]
        elif self.label_offsets is None:
            labels = padded(self.labels[flat], mask, IGNORED)
        else:
            labels = padded_rows(self.labels, self.label_offsets, positions)
            assert self.decoder_start_token_id is not None, "labels of their own are read by a decoder"
            inputs["decoder_input_ids"] = shifted_right(
                labels, start_token_id=self.decoder_start_token_id, pad_token_id=self.pad_token_id
            )
        return Batch(
            inputs={name: torch.from_numpy(array.astype(np.int64)) for name, array in inputs.items()},
            labels=torch.from_numpy(labels),
            indices=positions,
        )

    def _rows(self, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Rows of examples, those of one example in their order."""
        positions = np.arange(len(self))[positions]  # negative positions count from the end
        rows = positions[:, None] * self.rows_an_example + np.arange(self.rows_an_example)
        return rows.reshape(-1)

    def _labels_at(
        self, positions: npt.NDArray[np.int64], flat: npt.NDArray[np.int64]
    ) -> dict[str, npt.NDArray[Any]]:
        """Labels of some examples, with their offsets where they have their own."""
        if self.label_layout is None:
            return {"labels": read_only(self.labels[positions])}
        if self.label_offsets is None:
            return {"labels": read_only(self.labels[flat])}
        own, lengths = flat_positions(self.label_offsets, np.arange(len(self))[positions])
        return {
            "labels": read_only(self.labels[own]),
            "label_offsets": read_only(offsets_of(lengths)),
        }
