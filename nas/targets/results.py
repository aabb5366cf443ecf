"""Measurements of a device as a file of JSON lines: a header, then one line a measurement, each durable."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from nas.errors import ConfigError, StorageError
from nas.evaluation import LatencyResult
from nas.targets.documents import canonical, checked_keys, parsed, read_bounded, signed, unsigned

FORMAT: Final = "nas-latency-results/1"
_HEADER_KEYS: Final = (
    "format",
    "plan_sha256",
    "workload_sha256",
    "device_id",
    "device",
    "versions",
)
_MAX_VERSIONS: Final = 50
_LINE_KEYS: Final = ("shape_key", "statistics", "samples", "flag", "state")
#: What a measurement says of its device besides the fingerprint.
_STATES: Final = ("before", "after")


@dataclass(frozen=True, kw_only=True)
class Header:
    """What all measurements of a file share.

    Attributes:
        device: fields of the device's fingerprint.
        versions: of the packages that ran the model.
    """

    plan_sha256: str
    workload_sha256: str
    device_id: str
    device: Mapping[str, Any]
    versions: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict."""
        return {
            "format": FORMAT,
            "plan_sha256": self.plan_sha256,
            "workload_sha256": self.workload_sha256,
            "device_id": self.device_id,
            "device": dict(self.device),
            "versions": dict(self.versions),
        }

    @staticmethod
    def from_json(record: Mapping[str, Any]) -> Header:
        """Read what `to_json` wrote; raises ConfigError."""
        if record.get("format") != FORMAT:
            raise ConfigError(
                f"the format is {str(record.get('format'))[:80]!r}; this version reads {FORMAT}"
            )
        checked_keys(record, _HEADER_KEYS, "the first line")
        texts = {name: record[name] for name in ("plan_sha256", "workload_sha256", "device_id")}
        if not all(isinstance(value, str) for value in texts.values()):
            raise ConfigError("the first line has a hash that is no text")
        if not isinstance(record["device"], dict) or not isinstance(record["versions"], dict):
            raise ConfigError("the first line has a device or versions that are no objects")
        versions = [*record["versions"], *record["versions"].values()]
        if len(versions) > 2 * _MAX_VERSIONS or not all(map(_is_short, versions)):
            raise ConfigError("the first line has versions that are no short texts")
        return Header(**texts, device=record["device"], versions=record["versions"])


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One measurement of a shape; the figures are as the device stated them.

    Attributes:
        state: clocks, temperature and the like of a GPU, `before` and `after`; empty elsewhere.
    """

    shape_key: str
    statistics: Mapping[str, Any]
    samples: bytes
    flag: str
    state: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def of(shape_key: str, result: LatencyResult) -> Measurement:
        """A worker's answer."""
        return Measurement(
            shape_key=shape_key,
            statistics=dict(result.statistics),
            samples=result.samples,
            flag=result.flag,
            state={name: result.device[name] for name in _STATES if name in result.device},
        )

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict, samples in base64."""
        return {
            "shape_key": self.shape_key,
            "statistics": dict(self.statistics),
            "samples": base64.b64encode(self.samples).decode("ascii"),
            "flag": self.flag,
            "state": dict(self.state),
        }

    @staticmethod
    def from_json(record: Mapping[str, Any], what: str) -> Measurement:
        """Read what `to_json` wrote; raises ConfigError, which names `what`."""
        checked_keys(record, _LINE_KEYS, what)
        if not isinstance(record["shape_key"], str) or not isinstance(record["flag"], str):
            raise ConfigError(f"{what} has a shape_key or flag that is no text")
        if not isinstance(record["statistics"], dict) or not isinstance(record["samples"], str):
            raise ConfigError(f"{what} has statistics that are no object, or samples that are no text")
        if not isinstance(record["state"], dict):
            raise ConfigError(f"{what} has a state that is no object")
        try:
            samples = base64.b64decode(record["samples"], validate=True)
        except (binascii.Error, ValueError) as error:
            raise ConfigError(f"{what} has samples that are not base64: {error}") from error
        return Measurement(
            shape_key=record["shape_key"],
            statistics=record["statistics"],
            samples=samples,
            flag=record["flag"],
            state=record["state"],
        )


@dataclass(frozen=True, kw_only=True)
class Results:
    """A results file as it was read."""

    header: Header
    measurements: tuple[Measurement, ...]


def read_results(path: Path) -> Results:
    """Read a whole results file; only a last line that was cut short is left out.

    Raises:
        ConfigError: no such file, or a line that was changed or damaged.
    """
    results, _ = _read(path)
    if results is None:
        raise ConfigError(f"results {path} have no first line; run `nas targets bench` again")
    return results


class ResultsFile:
    """A results file that measurements are appended to; each is on the disk when `append` returns.

    Attributes:
        found: what an earlier run left.
    """

    def __init__(self, path: Path, header: Header) -> None:
        self.path, self.found = path, tuple[Measurement, ...]()
        end = 0
        if path.exists():
            earlier, end = _read(path)
            if earlier is not None:
                _check_same(path, earlier.header, header)
                self.found = earlier.measurements
        try:
            self._stream = path.open("r+b" if path.exists() else "xb")
            self._stream.truncate(end)  # a line that a kill cut short
            self._stream.seek(end)
        except OSError as error:
            raise StorageError(f"cannot write {path}: {error.strerror or error}") from error
        if end == 0:
            self._write(header.to_json())

    def append(self, measurement: Measurement) -> None:
        """Add a line.

        Raises:
            StorageError: the disk is full or gone.
        """
        self._write(measurement.to_json())

    def _write(self, record: Mapping[str, Any]) -> None:
        try:
            self._stream.write(canonical(signed(record)).encode() + b"\n")
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise StorageError(f"cannot write {self.path}: {error.strerror or error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()


def _read(path: Path) -> tuple[Results | None, int]:
    """What a file holds in whole lines, and where these end; None without a first line."""
    data = read_bounded(path)
    end = data.rfind(b"\n") + 1
    records = []
    for number, line in enumerate(data[:end].splitlines(), start=1):
        what = f"line {number} of {path.name}"
        records.append((unsigned(parsed(line, what), what), what))
    if not records:
        return None, 0
    measurements = tuple(Measurement.from_json(record, what) for record, what in records[1:])
    return Results(header=Header.from_json(records[0][0]), measurements=measurements), end


def _is_short(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 100 and value.isprintable()


def _check_same(path: Path, earlier: Header, header: Header) -> None:
    for name in ("plan_sha256", "device_id"):
        if getattr(earlier, name) != getattr(header, name):
            part = "plan" if name == "plan_sha256" else "device, or number of threads"
            raise ConfigError(f"{path} has results of another {part}; give another name by -o, or delete it")
