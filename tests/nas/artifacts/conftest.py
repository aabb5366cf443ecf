"""Stores in a folder, behind file:// and behind memory://."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.artifacts import ArtifactStore


@pytest.fixture(params=["folder", "file", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    """Where a store that has nothing yet would be."""
    if request.param == "folder":
        return tmp_path / "store"
    if request.param == "file":
        return f"file://{tmp_path}/store"
    pytest.importorskip("fsspec")
    return f"memory://{uuid.uuid4().hex}/store"


@pytest.fixture
def store(place: str | Path) -> ArtifactStore:
    """On each place."""
    return ArtifactStore.open(place)


@pytest.fixture
def local(tmp_path: Path) -> ArtifactStore:
    """In the folder `store`."""
    return ArtifactStore.open(tmp_path / "store")


@pytest.fixture
def make_file(tmp_path: Path) -> Callable[..., Path]:
    """Makes a file to be stored."""

    def make(content: bytes, name: str = "weights.bin") -> Path:
        path = tmp_path / "sources" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    return make


@pytest.fixture
def make_folder(make_file: Callable[..., Path]) -> Callable[..., Path]:
    """Makes a folder of three files to be stored."""

    def make(content: bytes, name: str = "model") -> Path:
        make_file(content, f"{name}/weights.bin")
        make_file(b"{}", f"{name}/config.json")
        return make_file(content + b"!", f"{name}/parts/more.bin").parents[1]

    return make
