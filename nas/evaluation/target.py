"""Where and how latency is measured."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

from nas.errors import ConfigError
from workers import DeviceFingerprint, fingerprint

Backend = Literal["torch"]
DTYPES = ("float32", "bfloat16", "float16")


@dataclass(frozen=True, kw_only=True)
class Target:
    """A device, its runtime, and the workload that is timed.

    Attributes:
        name: as shown.
        backend: `torch` times eager forward passes.
        device: torch device, e.g. `cpu` or `cuda:0`.
        dtype: of weights and activations.
        batch_size: sequences a forward.
        sequence_length: tokens a sequence.
        threads: intra-op threads.
    """

    name: str = "local"
    backend: Backend = "torch"
    device: str = "cpu"
    dtype: str = "float32"
    batch_size: int = 1
    sequence_length: int = 128
    threads: int = 1

    def __post_init__(self) -> None:
        if self.backend != "torch":
            raise ConfigError(f"backend {self.backend!r} is not available; allowed: torch")
        if self.dtype not in DTYPES:
            raise ConfigError(f"dtype is {self.dtype!r}; allowed are {', '.join(DTYPES)}")
        for name in ("batch_size", "sequence_length", "threads"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"{name} of target {self.name} is {getattr(self, name)}; it must be at least 1"
                )

    @staticmethod
    def local(**options: Any) -> Target:
        """This machine; options are the attributes."""
        return Target(**options)

    def fingerprint(self) -> DeviceFingerprint:
        """The device of this process, which is the target's for a local one."""
        return fingerprint(device=self.device.partition(":")[0], threads=self.threads)

    @property
    def workload_sha256(self) -> str:
        """Hash of what is timed, the device left out."""
        record = asdict(self)
        del record["name"], record["device"], record["threads"]
        return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()

    def describe(self) -> dict[str, Any]:
        """What a study records of it."""
        return asdict(self)
