"""Runtimes that open a file: shapes are exported once in a worker's life."""

from __future__ import annotations

import tempfile
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import torch

from nas.conversion import Runtime as FileKind
from nas.conversion import file_of, reason_of, write_forward, write_generation
from nas.errors import EvaluationFailedError
from nas.evaluation.runtimes.runtime import Build, Calls, Runtime
from nas.evaluation.target import Target
from nas.families import random_inputs
from search_spaces import SubnetConfig

# A batch of one row would freeze the batch axis.
_SAMPLE_ROWS: Final = 2
_SAMPLE_TOKENS: Final = 7


class ExportedRuntime(Runtime):
    """Keeps the files of its shapes in a folder that goes when the runtime does."""

    file_kind: ClassVar[FileKind]

    def __init__(self, target: Target, inputs: Mapping[str, torch.Tensor], build: Build) -> None:
        super().__init__(target, inputs, build)
        self._folder = tempfile.TemporaryDirectory(prefix="nas-exported-")

    def prepare(self, config: SubnetConfig, key: str) -> None:
        """See `Runtime.prepare`: exports a shape unless that was done."""
        folder = self._home(key)
        if (folder / file_of(self.file_kind)).exists():
            return
        folder.mkdir(exist_ok=True)
        model = self._build(config, torch.float32)
        sample = random_inputs(model, _SAMPLE_ROWS, _SAMPLE_TOKENS)
        write = write_generation if self._target.decode_length else write_forward
        try:
            write(model, self.file_kind, sample, folder)
        except Exception as error:  # converters raise anything
            raise EvaluationFailedError(
                f"{type(model).__name__} cannot be exported for {self._target.backend}: {reason_of(error)}; "
                "use a target with backend torch",
                "bug",
            ) from error

    def load(self, config: SubnetConfig, key: str) -> Calls:
        """See `Runtime.load`."""
        del config
        return self._open(self._home(key) / file_of(self.file_kind))

    @abstractmethod
    def _open(self, path: Path) -> Calls:
        """Calls of an exported shape."""

    def _home(self, key: str) -> Path:
        return Path(self._folder.name) / key

    def _feed(self) -> dict[str, Any]:
        """The workload's inputs as arrays; the files read float32, whatever they compute in."""
        return {
            name: (tensor.float() if tensor.is_floating_point() else tensor).numpy()
            for name, tensor in self._inputs.items()
        }
