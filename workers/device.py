"""Which device a latency was measured on."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

_CPUINFO = Path("/proc/cpuinfo")
# Instruction sets that change how fast matrix products run, under their Linux names.
_X86_FEATURES = frozenset({"avx2", "fma", "avx512f", "avx512_bf16", "avx512_fp16", "avx512_vnni", "avx_vnni"})
_AMX_FEATURES = frozenset({"amx_tile", "amx_bf16", "amx_fp16", "amx_int8"})
_ARM_FEATURES = frozenset({"asimd", "asimddp", "bf16", "i8mm", "sve", "sve2", "sme"})
_FEATURES = _X86_FEATURES | _AMX_FEATURES | _ARM_FEATURES


@dataclass(frozen=True, kw_only=True)
class DeviceFingerprint:
    """Hardware and software that decide how long a forward takes.

    Attributes:
        device: the torch device type, `cpu` or `cuda`.
        logical_cores: of the machine, whatever this process may use.
        cpu_features: sorted; empty where `/proc/cpuinfo` does not exist.
        memory_bytes: of the machine; 0 when it cannot be found out.
        gpu_names: empty unless `device` is `cuda`.
        os: its name without a version.
        python: major and minor version.
        torch: its version with the build tag, or "none".
        threads: intra-op threads that the measurement uses.
        runtime: name and version of the runtime, empty for torch itself.
    """

    device: str
    cpu: str
    logical_cores: int
    architecture: str
    cpu_features: tuple[str, ...]
    memory_bytes: int
    gpu_names: tuple[str, ...]
    os: str
    python: str
    torch: str
    threads: int
    runtime: str = ""

    @property
    def id(self) -> str:
        """Sixteen hexadecimal digits, equal for equal devices; memory counts in whole GiB.

        The exact size of the memory changes with the kernel's reserve, on the same machine.
        """
        record = asdict(self) | {"memory_bytes": round(self.memory_bytes / 2**30)}
        if not self.runtime:
            del record["runtime"]  # devices were told apart without it before there was a choice
        return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:16]

    @staticmethod
    def from_record(record: Mapping[str, Any]) -> DeviceFingerprint | None:
        """Read what was stored as a dict, maybe with other facts beside it; None unless all is there."""
        names = [field.name for field in fields(DeviceFingerprint)]
        known = {name: record[name] for name in names if name in record}
        known = {name: tuple(value) if isinstance(value, list) else value for name, value in known.items()}
        known.setdefault("runtime", "")
        return DeviceFingerprint(**known) if len(known) == len(names) else None


def fingerprint(device: str = "cpu", *, threads: int = 1, runtime: str = "") -> DeviceFingerprint:
    """Describe the device that this process runs on.

    Args:
        device: a torch device; torch is loaded only for `cuda`.
        threads: as of `DeviceFingerprint`.
        runtime: as of `DeviceFingerprint`.

    Raises:
        ValueError: the device is of another type, or there is no GPU.
    """
    kind = device.partition(":")[0]
    if kind not in ("cpu", "cuda"):
        raise ValueError(f"device is {device!r}; latency can be measured on 'cpu' and 'cuda'")
    cpuinfo = _read_cpuinfo()
    return DeviceFingerprint(
        device=kind,
        cpu=cpuinfo.get("model name") or platform.processor() or "unknown",
        logical_cores=os.cpu_count() or 1,
        architecture=platform.machine(),
        cpu_features=_features(cpuinfo),
        memory_bytes=_memory_bytes(),
        gpu_names=_gpu_names() if kind == "cuda" else (),
        os=platform.system(),
        python=".".join(platform.python_version_tuple()[:2]),
        torch=_torch_version(),
        threads=threads,
        runtime=runtime,
    )


def _read_cpuinfo() -> dict[str, str]:
    """Return the fields of the first processor, or nothing where the file does not exist."""
    try:
        text = _CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    first = text.strip().split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _features(cpuinfo: dict[str, str]) -> tuple[str, ...]:
    flags = cpuinfo.get("flags") or cpuinfo.get("Features") or ""
    return tuple(sorted(_FEATURES.intersection(flags.split())))


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0


def _gpu_names() -> tuple[str, ...]:
    import torch

    if not torch.cuda.is_available():
        raise ValueError("device is 'cuda' but torch sees no GPU; use 'cpu', or a CUDA build of torch")
    return tuple(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))


def _torch_version() -> str:
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return "none"
