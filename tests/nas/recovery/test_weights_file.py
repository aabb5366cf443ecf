"""Weights on disk are whole and those that were written, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nas.errors import StorageError
from nas.recovery import load_weights, save_weights

WEIGHTS = {"a.weight": torch.arange(6.0).reshape(2, 3), "b.bias": torch.ones(2, dtype=torch.bfloat16)}


def test_weights_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "one.safetensors"
    sha256 = save_weights(path, WEIGHTS, facts={"study": "tiny"})
    found = load_weights(path, sha256)
    assert found.keys() == WEIGHTS.keys()
    assert all(torch.equal(found[name], weight) for name, weight in WEIGHTS.items())
    assert [file.name for file in path.parent.iterdir()] == ["one.safetensors"]


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "one.safetensors"
    sha256 = save_weights(path, WEIGHTS, facts={})
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(StorageError, match="does not match its SHA-256"):
        load_weights(path, sha256)


def test_a_missing_file_is_refused_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"not at .*gone.safetensors; give the artifacts folder"):
        load_weights(tmp_path / "gone.safetensors", "a" * 64)


def test_a_folder_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(StorageError, match="cannot write"):
        save_weights(blocked / "one.safetensors", WEIGHTS, facts={})
    assert list(tmp_path.iterdir()) == [blocked]
