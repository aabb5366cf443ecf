"""What a runtime does: make a sub-network's shape ready to be called again and again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from nas.evaluation.target import Target
from search_spaces import SubnetConfig

#: Makes a sub-network with random weights on the target's device, in a number format.
Build = Callable[[SubnetConfig, torch.dtype], Any]


@dataclass(frozen=True, kw_only=True)
class Calls:
    """What is timed of one shape; each does the same work at every call.

    Attributes:
        whole: one call. What it returns has logits, or a model's first output, at index 0.
        prefill: of a target that generates tokens, the part up to the first one; None otherwise.
    """

    whole: Callable[[], Any]
    prefill: Callable[[], Any] | None = None


class Runtime(ABC):
    """Runs shapes of one supernet on one workload; lives as long as a worker.

    Attributes:
        measures_memory: whether what `load` adds to the memory is the shape alone.
    """

    measures_memory: ClassVar[bool] = True

    def __init__(self, target: Target, inputs: Mapping[str, torch.Tensor], build: Build) -> None:
        self._target, self._inputs, self._build = target, dict(inputs), build

    def prepare(self, config: SubnetConfig, key: str) -> None:
        """Do what is done once a shape, such as exporting it.

        Args:
            config: of the sub-network.
            key: equal for equal shapes.

        Raises:
            EvaluationFailedError: the runtime cannot take this architecture.
        """
        del config, key  # nothing to do, unless a runtime says otherwise

    @abstractmethod
    def load(self, config: SubnetConfig, key: str) -> Calls:
        """Make a prepared shape ready; what it returns is independent of other shapes."""

    def _model(self, config: SubnetConfig) -> Any:
        return self._build(config, getattr(torch, self._target.dtype))
