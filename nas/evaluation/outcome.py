"""What an evaluation knows of each example: enough for every metric, of any part of the data."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nas.errors import ConfigError, EvaluationFailedError
from nas.metrics import compute, loss_value, metric

#: Names the layout of the bytes, and the order of examples that evaluators write them in.
_TAG: Final = b"nas-outcome 1\n"


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """What evaluating a model leaves, a row an example.

    Losses are rounded to float32 before they are added up, so that an outcome that was stored or merged
    gives the metrics of the original to the last bit.

    Attributes:
        sums: sum of the losses of each example's counted items, float32 `(examples,)`.
        counts: how many those are, `(examples,)`.
        predictions: logits or numbers, float32 `(examples, classes)`; of tasks with a label a token, the most
            likely class of each counted token, int32 `(items,)`, example by example as `counts` says; None
            where no metric needs them.
        labels: what the predictions are compared with, an entry a row of them.
    """

    sums: npt.NDArray[np.floating]
    counts: npt.NDArray[np.integer]
    predictions: npt.NDArray[np.float32] | npt.NDArray[np.int32] | None
    labels: npt.NDArray[np.int64] | npt.NDArray[np.float32] | None

    def __len__(self) -> int:
        return len(self.sums)

    @property
    def losses(self) -> npt.NDArray[np.float32]:
        """Mean loss of each example, `(examples,)`; 0 where nothing is counted."""
        means: npt.NDArray[np.float32] = (self.sums / np.maximum(self.counts, 1)).astype(np.float32)
        return means

    def values(self, names: Sequence[str]) -> dict[str, float]:
        """Metrics by name, and always `loss`.

        Raises:
            EvaluationFailedError: an output or a value is not finite (reason `nan`).
        """
        values = {name: self._value(name) for name in names}
        return values if "loss" in values else {**values, "loss": self._value("loss")}

    @staticmethod
    def merged(parts: Sequence[Outcome]) -> Outcome:
        """The outcome of all examples of consecutive parts, of which there is at least one."""
        has_predictions = all(part.predictions is not None for part in parts)
        return Outcome(
            sums=np.concatenate([part.sums for part in parts]),
            counts=np.concatenate([part.counts for part in parts]),
            predictions=np.concatenate([part.predictions for part in parts]) if has_predictions else None,
            labels=np.concatenate([part.labels for part in parts]) if has_predictions else None,
        )

    def to_bytes(self) -> bytes:
        """NumPy files one after another behind a tag: sums, counts and, where kept, predictions and labels.

        Integers take the smallest type that holds them.
        """
        stream = io.BytesIO()
        stream.write(_TAG)
        for array in (self.sums.astype("<f4"), self.counts, self.predictions, self.labels):
            if array is not None:
                np.save(stream, _narrowed(array), allow_pickle=False)
        return stream.getvalue()

    @staticmethod
    def from_bytes(stored: bytes) -> Outcome:
        """Read what `to_bytes` wrote.

        Raises:
            ConfigError: the bytes are of another version, or of something else.
        """
        if not stored.startswith(_TAG):
            raise ConfigError(
                f"stored results of examples begin with {stored[:16]!r}, expected {_TAG!r}: another version "
                "wrote them; evaluate the sub-network again"
            )
        stream, arrays = io.BytesIO(stored[len(_TAG) :]), []
        while stream.tell() < len(stored) - len(_TAG):
            arrays.append(np.load(stream, allow_pickle=False))
        sums, counts, *kept = arrays
        predictions, labels = kept or (None, None)
        return Outcome(
            sums=sums,
            counts=counts.astype(np.int64),
            predictions=_widened(predictions, np.int32),
            labels=_widened(labels, np.int64),
        )

    def _value(self, name: str) -> float:
        if metric(name).kind == "loss":
            return loss_value(name, self.sums, self.counts)
        if self.predictions is None or self.labels is None:
            raise EvaluationFailedError(f"{name} needs predictions, which were not kept", "bug")
        return compute(name, self.predictions, self.labels)


def _narrowed(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if array.dtype.kind != "i" or not array.size:
        return array
    smallest = np.promote_types(np.min_scalar_type(array.min()), np.min_scalar_type(array.max()))
    return array.astype(smallest.newbyteorder("<"))


def _widened(array: npt.NDArray[Any] | None, integer: type[np.integer]) -> npt.NDArray[Any] | None:
    return array if array is None or array.dtype.kind == "f" else array.astype(integer)
