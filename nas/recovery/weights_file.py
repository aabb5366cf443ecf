"""Weights of a recovered sub-network on disk: one safetensors file, whole or not there."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from nas.artifacts.files import file_sha256, sync
from nas.errors import StorageError


def save_weights(path: Path, weights: Mapping[str, torch.Tensor], *, facts: Mapping[str, str]) -> str:
    """Write a file that takes the place of an older one when it is whole.

    Args:
        path: its folder is made if needed.
        weights: by name.
        facts: texts for the file's header.

    Returns:
        SHA-256 of the file.

    Raises:
        StorageError: too little free space, or the folder cannot be written.
    """
    temporary = path.with_name(f".tmp-{path.stem}-{uuid.uuid4().hex[:8]}")
    needed = sum(weight.numel() * weight.element_size() for weight in weights.values())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(path.parent).free
        if free < 2 * needed:
            raise StorageError(
                f"{path.parent} has {free / 1e6:.0f} MB free, {2 * needed / 1e6:.0f} MB are needed; "
                "free some space or choose another folder"
            )
        tensors = {name: weight.detach().cpu().contiguous() for name, weight in weights.items()}
        save_file(tensors, temporary, metadata=dict(facts))
        sha256 = file_sha256(temporary)
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    except (OSError, SafetensorError) as error:
        raise StorageError(f"cannot write {path}: {error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return sha256


def load_weights(path: Path, sha256: str) -> dict[str, torch.Tensor]:
    """Read what `save_weights` wrote.

    Raises:
        StorageError: the file is missing or not the one of this hash.
    """
    if not path.is_file():
        raise StorageError(
            f"the recovered weights are not at {path}; give the artifacts folder that they were written to, "
            "or recover again"
        )
    if file_sha256(path) != sha256:
        raise StorageError(f"{path} is damaged: it does not match its SHA-256; delete it and recover again")
    return load_file(path)
