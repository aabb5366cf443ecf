"""What an evaluation knows of each example, as bytes that say what they are.

The bytes are a NumPy file of one field, `logits` (float16) or `loss` (float32), an entry an example.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nas.evaluation import Quality


@dataclass(frozen=True, kw_only=True)
class PerExample:
    """Outputs or losses of a sub-network.

    Attributes:
        kind: what the values are.
        values: logits, float16 `(examples, num_labels)`; or each example's mean loss, float32 `(examples,)`;
            in the data's order.
    """

    kind: Literal["logits", "loss"]
    values: np.ndarray


def per_example_bytes(quality: Quality) -> bytes | None:
    """The logits of an evaluation, its losses where it kept none, or None."""
    if quality.logits is not None:
        return _packed("logits", quality.logits, "<f2")
    return None if quality.losses is None else _packed("loss", quality.losses, "<f4")


def read_per_example(stored: bytes) -> PerExample:
    """Read what `per_example_bytes` wrote."""
    table = np.load(io.BytesIO(stored), allow_pickle=False)
    (field,) = table.dtype.names
    return PerExample(kind=field, values=table[field])


def _packed(field: str, values: np.ndarray, scalar: str) -> bytes:
    table = np.zeros(len(values), dtype=[(field, scalar, values.shape[1:])])
    table[field] = values
    stream = io.BytesIO()
    np.save(stream, table, allow_pickle=False)
    return stream.getvalue()
