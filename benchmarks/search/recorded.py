"""Logits of many sub-networks on all examples: evaluated once, answered from then on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

import nas
from benchmarks.search.oracle import Floats, Integers
from nas.data import EncodedDataset
from nas.evaluation.dataset import predict
from search_spaces import SubnetConfig

#: New sub-networks between two writes of the file.
_CHUNK: Final = 20

Predict = Callable[[SubnetConfig], np.ndarray]


class Recording:
    """What sub-networks answer: what the file has not, is evaluated when it is first asked for.

    Args:
        file: where it is kept; a run that is cut short goes on from there.
        labels: classes, `(examples,)`.
        predict: logits of a sub-network, `(examples, classes)`.
        model_sha256: of the weights behind it.

    Attributes:
        configs: recorded sub-networks, by key, in the order in which they were first asked for.
    """

    def __init__(self, file: Path, labels: Integers, predict: Predict, *, model_sha256: str) -> None:
        self._file, self._predict = file, predict
        self.labels = labels
        self.sha256 = hashlib.sha256(model_sha256.encode() + labels.tobytes()).hexdigest()
        self.configs: dict[str, SubnetConfig] = {}
        self._logits: dict[str, np.ndarray] = {}
        self._unsaved = 0
        if file.exists():
            self._read()

    def logits(self, config: SubnetConfig, rows: Integers) -> Floats:
        """See `answers.Source.logits`."""
        if config.key not in self._logits:
            self.configs[config.key] = config
            self._logits[config.key] = self._predict(config).astype(np.float32)
            self._unsaved += 1
            if self._unsaved >= _CHUNK:
                self.save()
        return self._logits[config.key][rows].astype(np.float64)

    def save(self) -> None:
        """Write what is new."""
        if not self._unsaved:
            return
        partial = self._file.with_suffix(".partial.npz")
        np.savez(
            partial,
            model=np.array(self.sha256),
            configs=np.array([json.dumps(config.to_json()) for config in self.configs.values()]),
            logits=np.stack([self._logits[key] for key in self.configs]),
        )
        partial.replace(self._file)
        self._unsaved = 0

    def _read(self) -> None:
        with np.load(self._file, allow_pickle=False) as stored:
            texts, logits, model = stored["configs"], stored["logits"], str(stored["model"])
        if model != self.sha256:
            raise nas.ConfigError(
                f"{self._file} was recorded of another model or other data; delete it, or give another folder"
            )
        for text, values in zip(texts, logits, strict=True):
            config = SubnetConfig.from_json(json.loads(str(text)))
            self.configs[config.key], self._logits[config.key] = config, values


def recording_of(file: Path, supernet: nas.Supernet, data: EncodedDataset) -> Recording:
    """A supernet's recording on labelled texts."""
    labels = np.asarray(data.labels, dtype=np.int64)
    return Recording(
        file, labels, lambda config: predict(supernet, config, data), model_sha256=supernet.sha256
    )
