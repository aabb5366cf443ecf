from __future__ import annotations

from hashlib import sha256

import httpx2
import pytest

from nas.client.downloads import download_files
from nas.client.facts import RemoteFile
from nas.errors import ConfigError, ExportVerificationError

CONTENT = {"config.json": b"{}", "model.safetensors": b"weights"}


def files_of(content: dict[str, bytes]) -> list[RemoteFile]:
    return [
        RemoteFile(name=name, sha256=sha256(data).hexdigest(), size_bytes=len(data))
        for name, data in content.items()
    ]


@pytest.fixture
def fetch(connection, wire, tmp_path):
    def run(files: list[RemoteFile], **options: bool):
        return download_files(connection, 9, files, tmp_path / "out", sleep=wire.waits.append, **options)

    return run


def test_a_folder_holds_every_file_and_nothing_else_is_left(fetch, wire, tmp_path):
    for data in CONTENT.values():
        wire.stream(data, "application/octet-stream")
    folder = fetch(files_of(CONTENT))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert wire.paths[0] == "/api/v1/exports/9/files/config.json"


@pytest.mark.parametrize("arrived", [b"Weights", b"weight", b"weights and more"])
def test_a_file_that_is_not_as_recorded_leaves_nothing_behind(fetch, wire, tmp_path, arrived):
    wire.stream(b"{}")
    wire.stream(arrived)
    with pytest.raises(ExportVerificationError, match=r"model\.safetensors"):
        fetch(files_of(CONTENT))
    assert list(tmp_path.iterdir()) == []


def test_a_broken_connection_begins_the_file_anew(fetch, wire):
    class Broken(httpx2.SyncByteStream):
        def __iter__(self):
            yield b"wei"
            raise httpx2.ReadError("gone")

    wire.answers.append(httpx2.Response(200, stream=Broken()))
    wire.stream(b"weights")
    folder = fetch(files_of({"model.safetensors": b"weights"}))
    assert (folder / "model.safetensors").read_bytes() == b"weights"
    assert len(wire.waits) == 1


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "a//b", ".ssh", "a\\b", "a\0", ""])
def test_a_name_that_leads_elsewhere_is_refused_before_anything_is_fetched(fetch, wire, tmp_path, name):
    with pytest.raises(ExportVerificationError, match="nothing was written"):
        fetch([RemoteFile(name=name, sha256="0" * 64, size_bytes=1)])
    assert (wire.requests, list(tmp_path.iterdir())) == ([], [])


def test_a_folder_with_files_is_kept_unless_told(fetch, wire, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("old")
    with pytest.raises(ConfigError, match="exists already"):
        fetch(files_of(CONTENT))
    for data in CONTENT.values():
        wire.stream(data)
    assert sorted(path.name for path in fetch(files_of(CONTENT), overwrite=True).iterdir()) == sorted(CONTENT)
