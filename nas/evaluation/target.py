"""Where and how latency is measured."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

from nas.errors import ConfigError
from nas.objectives import DECODE_METRICS
from nas.report.tables import html_table
from workers import DeviceFingerprint, fingerprint

Backend = Literal["torch", "torch_compile", "onnxruntime", "openvino"]
DTYPES = ("float32", "bfloat16", "float16")

# Runtimes that read an exported file: on the processor, in the formats that their kernels there have.
_EXPORTED_DTYPES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"onnxruntime": ("float32",), "openvino": ("float32", "bfloat16")}
)
#: Seconds for a shape to be built, compiled or exported before it is timed.
_SETUP_SECONDS: Final[Mapping[str, float]] = MappingProxyType(
    {"torch": 60.0, "torch_compile": 600.0, "onnxruntime": 900.0, "openvino": 900.0}
)


@dataclass(frozen=True, kw_only=True)
class Target:
    """A device, its runtime, and the workload that is timed.

    Attributes:
        name: as shown.
        backend: runtime of the forward passes; `torch` is eager.
        device: torch device, e.g. `cpu` or `cuda:0`.
        dtype: of weights and activations.
        batch_size: sequences a forward.
        sequence_length: tokens a sequence; of the prompt, where tokens are generated.
        threads: intra-op threads.
        decode_length: tokens that a causal model generates after the prompt; 0 times one forward.
        labels: of the Ray node where the device is; none for any node. They name a place, not a workload.
        device_id: fingerprint of a device whose measurements were imported: it stands for that device alone.
            None is wherever the worker runs.
    """

    name: str = "local"
    backend: Backend = "torch"
    device: str = "cpu"
    dtype: str = "float32"
    batch_size: int = 1
    sequence_length: int = 128
    threads: int = 1
    decode_length: int = 0
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    device_id: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", dict(self.labels))
        if self.backend not in get_args(Backend):
            raise ConfigError(
                f"backend {self.backend!r} is not available; allowed: {', '.join(get_args(Backend))}"
            )
        if self.dtype not in DTYPES:
            raise ConfigError(f"dtype is {self.dtype!r}; allowed are {', '.join(DTYPES)}")
        for name, least in (("batch_size", 1), ("sequence_length", 1), ("threads", 1), ("decode_length", 0)):
            if getattr(self, name) < least:
                raise ConfigError(
                    f"{name} of target {self.name} is {getattr(self, name)}; it must be at least {least}"
                )
        self._check_exported()

    def _check_exported(self) -> None:
        dtypes = _EXPORTED_DTYPES.get(self.backend)
        if dtypes is None:
            return
        if self.device != "cpu":
            raise ConfigError(
                f"{self.backend} is timed on the cpu only, not on {self.device}; use torch there"
            )
        if self.dtype not in dtypes:
            raise ConfigError(f"{self.backend} is timed in {' or '.join(dtypes)}, not in {self.dtype}")

    @staticmethod
    def local(**options: Any) -> Target:
        """This machine; options are the attributes."""
        return Target(**options)

    def check_metrics(self, metrics: Iterable[str]) -> None:
        """Refuse metrics that this workload does not have.

        Raises:
            ConfigError: a metric of generation, while no token is generated.
        """
        for metric in metrics:
            if metric in DECODE_METRICS and self.decode_length == 0:
                raise ConfigError(
                    f"{metric} needs generated tokens, but decode_length of target {self.name} is 0; "
                    "set it to the number of tokens to generate"
                )

    def check_task(self, task: str) -> None:
        """Refuse to generate tokens with a model that does not.

        Raises:
            ConfigError: tokens are asked for, of a model for another task than `causal-lm`.
        """
        if self.decode_length > 0 and task != "causal-lm":
            raise ConfigError(
                f"decode_length of target {self.name} is {self.decode_length}, but a model for {task} "
                "generates no tokens here; only causal-lm does: set decode_length to 0"
            )

    @property
    def setup_seconds(self) -> float:
        """Time for a shape to be made ready before it is timed."""
        return _SETUP_SECONDS[self.backend]

    def fingerprint(self) -> DeviceFingerprint:
        """The device and runtime of this process, which are the target's for a local one."""
        return fingerprint(
            device=self.device.partition(":")[0], threads=self.threads, runtime=self._runtime_version()
        )

    def _runtime_version(self) -> str:
        """Name and version of a runtime other than torch, whose version every fingerprint has."""
        if self.backend not in _EXPORTED_DTYPES:
            return ""
        try:
            return f"{self.backend} {version(self.backend)}"
        except PackageNotFoundError:
            return f"{self.backend} none"

    @property
    def workload_sha256(self) -> str:
        """Hash of what is timed, the device and its place left out."""
        record = self.identity()
        del record["name"], record["device"], record["threads"]
        record.pop("device_id", None)
        return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()

    def _repr_html_(self) -> str:
        rows = [(name, str(value)) for name, value in self.describe().items() if name != "name"]
        return html_table(f"Target {self.name}", rows)

    def identity(self) -> dict[str, Any]:
        """Everything but the place; what older versions did not have is left out where it says nothing."""
        record = asdict(self)
        del record["labels"]
        if self.decode_length == 0:
            del record["decode_length"]
        if self.device_id is None:
            del record["device_id"]
        return record

    def describe(self) -> dict[str, Any]:
        """What a study records of it."""
        return self.identity() | ({"labels": dict(self.labels)} if self.labels else {})
