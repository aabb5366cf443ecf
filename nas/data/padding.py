"""Rows of different lengths, kept flat: offsets, positions and padded tables."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nas.errors import ConfigError

IGNORED: Final = -100
"""Label of a token that is not counted, as transformers and PyTorch have it."""


def offsets_of(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Where each row starts, and where the last one ends: `(rows + 1,)`."""
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths, dtype=np.int64)])


def flat_positions(
    offsets: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Positions of the values of several rows, one row after another, and the rows' lengths."""
    starts, lengths = offsets[rows], np.diff(offsets)[rows]
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    positions: npt.NDArray[np.int64] = np.repeat(starts, lengths) + within
    return positions, lengths


def row_mask(lengths: npt.NDArray[np.int64], width: int, side: str = "right") -> npt.NDArray[np.bool_]:
    """True where a row has a value: `(rows, width)`, padded on `side`."""
    columns = np.arange(width)
    if side == "left":
        left: npt.NDArray[np.bool_] = columns >= width - lengths[:, None]
        return left
    right: npt.NDArray[np.bool_] = columns < lengths[:, None]
    return right


def padded(flat: npt.NDArray[Any], mask: npt.NDArray[np.bool_], padding: int) -> npt.NDArray[np.int64]:
    """Values laid where the mask is true, `padding` elsewhere."""
    rows = np.full(mask.shape, padding, dtype=np.int64)
    rows[mask] = flat
    return rows


def padded_rows(
    flat: npt.NDArray[Any],
    offsets: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
    *,
    padding: int = IGNORED,
) -> npt.NDArray[np.int64]:
    """Rows of a flat array, padded on the right to the longest of them."""
    positions, lengths = flat_positions(offsets, rows)
    return padded(flat[positions], row_mask(lengths, int(lengths.max())), padding)


def shifted_right(
    labels: npt.NDArray[np.int64], *, start_token_id: int, pad_token_id: int
) -> npt.NDArray[np.int64]:
    """What a decoder reads to predict `labels` `(batch, sequence)`: a start token, then the labels before."""
    shifted = np.concatenate([np.full((len(labels), 1), start_token_id), labels[:, :-1]], axis=1)
    shifted[shifted == IGNORED] = pad_token_id
    return shifted.astype(np.int64)


def padded_width(longest: int, multiple: int | None, max_length: int) -> int:
    """Width of a batch: the longest row rounded up, at most to `max_length`.

    Raises:
        ConfigError: `multiple` is below 1.
    """
    if multiple is None:
        return longest
    if multiple < 1:
        raise ConfigError(
            f"pad_to_multiple_of is {multiple}; it must be at least 1, or None for no rounding."
        )
    return max(longest, min(-(-longest // multiple) * multiple, max_length))
