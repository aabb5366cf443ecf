"""Which runtimes this machine has; none of them is loaded to find out."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from nas.errors import TargetUnavailableError
from nas.evaluation.target import Backend, Target

# What exports a shape and what runs it; `nas.conversion` knows too, but loads torch.
_PACKAGES: Final[Mapping[Backend, tuple[str, ...]]] = MappingProxyType(
    {"onnxruntime": ("onnx", "onnxscript", "onnxruntime"), "openvino": ("openvino",)}
)


def unavailable(backend: Backend, device: str = "cpu") -> str | None:
    """What this machine lacks for a runtime and what to do about it; None if it has everything."""
    if backend == "torch_compile":
        return _without_triton() if device.partition(":")[0] == "cuda" else _without_compiler()
    missing = [name for name in _PACKAGES.get(backend, ()) if importlib.util.find_spec(name) is None]
    return f'{", ".join(missing)} not installed: pip install "subnas[export]"' if missing else None


def check_available(target: Target) -> None:
    """Refuse a target whose runtime this machine lacks.

    Raises:
        TargetUnavailableError: with what is missing.
    """
    lack = unavailable(target.backend, target.device)
    if lack is not None:
        raise TargetUnavailableError(f"target {target.name}: {target.backend} cannot run here: {lack}")


def _without_compiler(find: Callable[[str], str | None] = shutil.which) -> str | None:
    """torch compiles for a processor with the compiler that `CXX` names, or the system's usual one."""
    compiler = os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")
    return None if find(compiler) else f"no C++ compiler {compiler}: install one, or name it by CXX"


def _without_triton() -> str | None:
    return (
        None if importlib.util.find_spec("triton") else "triton not installed: install a CUDA build of torch"
    )
