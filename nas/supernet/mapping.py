"""A supernet's weights as they lie in its safetensors file.

Loaded weights are a private copy-on-write mapping of that file: transformers maps it where the precision is
the stored one. So a model that nobody has changed costs no memory beyond the system's file cache, and
workers map the same file.

Source: safetensors' format, https://github.com/huggingface/safetensors#format.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Final

import torch
from torch import nn

from workers import FileRegion, FileStamp

_CHUNK_BYTES: Final = 2**20
_LENGTH_BYTES: Final = 8
#: Safetensors' element types with ours; numpy has no bfloat16, whose bits travel as uint16.
_DTYPES: Final[dict[str, tuple[torch.dtype, str]]] = {
    "F64": (torch.float64, "float64"),
    "F32": (torch.float32, "float32"),
    "F16": (torch.float16, "float16"),
    "BF16": (torch.bfloat16, "uint16"),
}


@dataclass(frozen=True, kw_only=True)
class WeightFile:
    """A safetensors file that was read once, to its end.

    Attributes:
        weights_sha256: hash of names and values in the order of names, after the given prefix.
        regions: where each tensor lies.
        dtypes: precision of each tensor.
    """

    weights_sha256: str
    regions: Mapping[str, FileRegion]
    dtypes: Mapping[str, torch.dtype]

    def fits(self, parameters: Mapping[str, nn.Parameter]) -> bool:
        """Whether it holds exactly these parameters, by name, shape and precision."""
        return self.regions.keys() == parameters.keys() and all(
            self.regions[name].shape == tuple(parameter.shape) and self.dtypes[name] == parameter.dtype
            for name, parameter in parameters.items()
        )

    @property
    def is_current(self) -> bool:
        """Whether the file is still there and was not replaced."""
        return next(iter(self.regions.values())).is_current


class FileHasher:
    """Hashes files, and on the way, in one reading, the weights in a safetensors file.

    Attributes:
        weights: what was found in the last such file; None where there was none, or where its tensors are
            not in the order of their names.
    """

    def __init__(self, prefix: bytes) -> None:
        self._prefix = prefix
        self.weights: WeightFile | None = None

    def __call__(self, path: Path) -> str:
        """SHA-256 of a file's bytes."""
        with path.open("rb") as stream:
            found = _regions(path, stream) if path.suffix == ".safetensors" else None
            stream.seek(0)
            if found is None:
                return hashlib.file_digest(stream, "sha256").hexdigest()
            sha256, weights_sha256 = _hashes(stream, found.regions, self._prefix)
        self.weights = replace(found, weights_sha256=weights_sha256)
        return sha256


def _hashes(stream: IO[bytes], regions: Mapping[str, FileRegion], prefix: bytes) -> tuple[str, str]:
    """SHA-256 of the whole file, and of the weights alone."""
    whole, weights = hashlib.sha256(), hashlib.sha256(prefix)
    first = next(iter(regions.values()))
    for chunk in _chunks(stream, first.offset):
        whole.update(chunk)
    for name, region in regions.items():
        weights.update(name.encode())
        for chunk in _chunks(stream, region.nbytes):
            whole.update(chunk)
            weights.update(chunk)
    return whole.hexdigest(), weights.hexdigest()


def _chunks(stream: IO[bytes], count: int) -> Iterator[bytes]:
    while count > 0 and (chunk := stream.read(min(count, _CHUNK_BYTES))):
        count -= len(chunk)
        yield chunk


def _regions(path: Path, stream: IO[bytes]) -> WeightFile | None:
    """Tensors in the order of the file; None unless they are sorted, fill the file and are of our types.

    A damaged header gives None too: whoever compares the file's hash will say so.
    """
    try:
        length = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
        size = path.stat().st_size
        if not 0 < length <= size:
            return None
        header = json.loads(stream.read(length))
        header.pop("__metadata__", None)
        entries = sorted(header.items(), key=lambda item: item[1]["data_offsets"])
        return _checked(path, entries, start=_LENGTH_BYTES + length)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _checked(path: Path, entries: list[tuple[str, Any]], *, start: int) -> WeightFile | None:
    resolved = str(path.resolve())
    stamp = FileStamp.of(resolved)
    regions, dtypes, offset = {}, {}, start
    for name, entry in entries:
        dtypes[name], numpy_name = _DTYPES[entry["dtype"]]
        regions[name] = FileRegion(
            path=resolved, stamp=stamp, offset=offset, shape=tuple(entry["shape"]), dtype=numpy_name
        )
        if entry["data_offsets"] != [offset - start, offset - start + regions[name].nbytes]:
            return None
        offset += regions[name].nbytes
    if not entries or offset != stamp.size or list(regions) != sorted(regions):
        return None
    return WeightFile(weights_sha256="", regions=regions, dtypes=dtypes)
