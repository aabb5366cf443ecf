"""Whatever happens to the bytes, they are never taken for what was stored."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import nas
from nas.artifacts import ArtifactStore
from nas.errors import StorageError

MakeFile = Callable[..., Path]
CONTENT = random.Random(0).randbytes(3000)


def object_path(store: ArtifactStore, sha256: str) -> Path:
    return Path(store.location) / "objects" / sha256[:2] / sha256


def flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def test_every_flipped_bit_is_detected(local: ArtifactStore, make_file: MakeFile, tmp_path: Path) -> None:
    sha256 = local.put_file("name", make_file(CONTENT))
    path, out = object_path(local, sha256), tmp_path / "out"
    detected = 0
    for bit in random.Random(1).sample(range(len(CONTENT) * 8), 1000):
        path.write_bytes(CONTENT)
        flip(path, bit)
        with pytest.raises(StorageError, match="damaged and in quarantine"):
            local.fetch(sha256, out)
        detected += not out.exists()
    assert detected == 1000


def test_every_truncation_is_detected(local: ArtifactStore, make_file: MakeFile, tmp_path: Path) -> None:
    sha256 = local.put_file("name", make_file(CONTENT))
    path, out = object_path(local, sha256), tmp_path / "out"
    detected = 0
    for length in random.Random(2).sample(range(len(CONTENT)), 200):
        path.write_bytes(CONTENT[:length])
        with pytest.raises(StorageError, match="damaged and in quarantine"):
            local.fetch(sha256, out)
        detected += not out.exists()
    assert detected == 200


def test_a_flipped_bit_of_a_manifest_is_detected(local: ArtifactStore, make_file: MakeFile) -> None:
    local.put_file("name", make_file(b"x"), fingerprint="f", facts={"step": 7})
    (path,) = (Path(local.location) / "names").rglob("*.json")
    whole, kept = path.read_bytes(), local.generations("name")
    for bit in random.Random(3).sample(range(len(whole) * 8), 300):
        path.write_bytes(whole)
        flip(path, bit)
        assert local.generations("name") in ([], kept)  # a changed blank or letter case changes nothing
        assert path.exists() is (local.generations("name") == kept)


@pytest.mark.parametrize("is_folder", [False, True])
def test_the_generation_before_is_used(
    local: ArtifactStore, make_file: MakeFile, make_folder: MakeFile, tmp_path: Path, is_folder: bool
) -> None:
    for content in (b"old", b"new"):
        if is_folder:
            local.put_folder("name", make_folder(content, content.decode()))
        else:
            local.put_file("name", make_file(content))
    damaged = next(
        p for p in (Path(local.location) / "objects").rglob("*") if p.is_file() and p.read_bytes() == b"new"
    )
    flip(damaged, 3)
    found = local.fetch_newest("name", tmp_path / "out")
    assert found is not None
    assert found.generation == 1
    written = tmp_path / "out" / "weights.bin" if is_folder else tmp_path / "out"
    assert written.read_bytes() == b"old"
    assert not damaged.exists()
    assert [path.name[:64] for path in (Path(local.location) / "quarantine").iterdir()] == [damaged.name]


def test_two_damaged_generations_are_an_error(
    local: ArtifactStore, make_file: MakeFile, tmp_path: Path
) -> None:
    for content in (b"old", b"new"):
        flip(object_path(local, local.put_file("name", make_file(content))), 0)
    with pytest.raises(StorageError, match="every generation of 'name'"):
        local.fetch_newest("name", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_storing_again_heals_a_damaged_object(
    local: ArtifactStore, make_file: MakeFile, tmp_path: Path
) -> None:
    sha256 = local.put_file("name", make_file(CONTENT))
    flip(object_path(local, sha256), 77)
    assert local.put_file("name", make_file(CONTENT)) == sha256
    assert local.fetch(sha256, tmp_path / "out").read_bytes() == CONTENT


def test_verify_puts_aside_what_is_damaged_and_names_what_is_gone(
    local: ArtifactStore, make_file: MakeFile
) -> None:
    damaged, gone, whole = (local.put_file(name, make_file(name.encode())) for name in "abc")
    assert local.verify().is_whole
    flip(object_path(local, damaged), 1)
    object_path(local, gone).unlink()
    report = local.verify()
    assert (report.damaged, report.missing, report.num_objects) == ((damaged,), (gone,), 2)
    assert local.verify().missing == tuple(sorted((damaged, gone)))
    assert object_path(local, whole).exists()


def test_a_list_of_files_that_leaves_its_folder_is_refused(
    local: ArtifactStore, make_file: MakeFile, tmp_path: Path
) -> None:
    sha256 = local.put_file("name", make_file(b"evil"))
    tree = local._trees.put_bytes(json.dumps({"../escaped": [sha256, 4]}).encode())
    with pytest.raises(StorageError, match="the path"):
        local.fetch(tree, tmp_path / "out" / "folder")
    assert not (tmp_path / "out" / "escaped").exists()


def test_a_file_that_changes_while_it_is_stored_is_refused(
    local: ArtifactStore, make_file: MakeFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_file(CONTENT)
    monkeypatch.setattr("nas.artifacts.store.file_sha256", lambda _: "0" * 64)
    with pytest.raises(StorageError, match="changed while it was stored"):
        local.put_file("name", path)
    assert local.generations("name") == []


KILLED = """
import sys
from pathlib import Path
from nas.artifacts import ArtifactStore
store = ArtifactStore.open(sys.argv[1])
print("ready", flush=True)
number = 0
while True:
    number += 1
    path = Path(sys.argv[2])
    path.write_bytes(str(number).encode() * 60_000)
    store.put_file("name", path)
"""


@pytest.mark.slow
def test_a_writer_killed_at_any_moment_leaves_a_whole_generation(tmp_path: Path) -> None:
    place, out = tmp_path / "store", tmp_path / "out"
    generator, newest = random.Random(4), 0
    for _ in range(6):
        writer = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(place), str(tmp_path / "source")],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(nas.__file__).parents[1])},
        )
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(generator.uniform(0.05, 0.4))
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        store = ArtifactStore.open(place)
        assert store.verify().is_whole
        found = store.fetch_newest("name", out)
        if found is not None:
            assert found.generation >= newest
            newest = found.generation
    assert newest > 6
    assert len(store.generations("name")) == 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("only root may mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_the_last_generation(
    small_disk: Path, make_file: MakeFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ArtifactStore.open(small_disk / "store")
    store.put_file("name", make_file(b"a" * 8_000_000))
    monkeypatch.setattr(
        "nas.artifacts.files.LocalFiles.free_bytes", lambda _: None
    )  # somebody else filled it
    with pytest.raises(StorageError, match="No space left"):
        store.put_file("name", make_file(b"b" * 20_000_000))
    assert [one.generation for one in store.generations("name")] == [1]
    assert not list((small_disk / "store").glob(".tmp-*"))
    store.fetch_newest("name", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"a" * 8_000_000
    store.put_file("name", make_file(b"c" * 8_000_000))  # goes on where there is space


def test_less_than_twice_the_space_is_refused_before_anything_is_written(
    local: ArtifactStore, make_file: MakeFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.artifacts.files.LocalFiles.free_bytes", lambda _: 5_999_999)
    with pytest.raises(StorageError, match="6 MB are needed"):
        local.put_file("name", make_file(bytes(3_000_000)))
    assert not Path(local.location).exists()
