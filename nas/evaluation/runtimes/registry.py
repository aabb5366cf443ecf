"""Runtimes by the name of their backend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch

from nas.evaluation.runtimes.compiled import CompiledRuntime
from nas.evaluation.runtimes.eager import EagerRuntime
from nas.evaluation.runtimes.onnx_runtime import OnnxRuntime
from nas.evaluation.runtimes.openvino_runtime import OpenVinoRuntime
from nas.evaluation.runtimes.runtime import Build, Runtime
from nas.evaluation.target import Backend, Target

_RUNTIMES: Final[Mapping[Backend, type[Runtime]]] = {
    "torch": EagerRuntime,
    "torch_compile": CompiledRuntime,
    "onnxruntime": OnnxRuntime,
    "openvino": OpenVinoRuntime,
}


def runtime_for(target: Target, inputs: Mapping[str, torch.Tensor], build: Build) -> Runtime:
    """The runtime of a target.

    Args:
        target: whose backend says which.
        inputs: keyword arguments of a forward, of the target's size, on its device.
        build: makes sub-networks.
    """
    return _RUNTIMES[target.backend](target, inputs, build)
