"""What the converters of all runtimes share: packages, file names, open axes, quiet."""

from __future__ import annotations

import importlib.util
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

import torch

from nas.supernet.loading import quiet_transformers

Runtime: TypeAlias = Literal["onnx", "openvino"]

#: What each runtime needs installed to be written and run.
PACKAGES: Final[Mapping[Runtime, tuple[str, ...]]] = MappingProxyType(
    {"onnx": ("onnx", "onnxscript", "onnxruntime"), "openvino": ("openvino",)}
)
_FILES: Final[Mapping[Runtime, str]] = MappingProxyType({"onnx": "model.onnx", "openvino": "model.xml"})


def file_of(runtime: Runtime) -> str:
    """Name of the file that a runtime opens."""
    return _FILES[runtime]


def missing_packages(runtime: Runtime) -> tuple[str, ...]:
    """Packages that a runtime needs and that are not installed."""
    return tuple(name for name in PACKAGES[runtime] if importlib.util.find_spec(name) is None)


def open_axes(inputs: Mapping[str, torch.Tensor]) -> dict[str, dict[int, Any]]:
    """Axes that may have another size than in the sample, as `torch.export` wants them."""
    auto = torch.export.Dim.AUTO
    return {name: dict.fromkeys(range(num_open(tensor)), auto) for name, tensor in inputs.items()}


def num_open(tensor: torch.Tensor) -> int:
    """Tokens have rows and lengths; images and speech have one size."""
    return 2 if tensor.dim() == 2 else 1


def reason_of(error: Exception) -> str:
    """The first line of what a converter raised, which may be anything."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@contextmanager
def quiet() -> Iterator[None]:
    """Progress of the converters off; their errors are raised anyway."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), quiet_transformers(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
