"""What nothing stands for goes, when it is old enough."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.artifacts import ArtifactStore
from nas.errors import StorageError

MakeFile = Callable[..., Path]
DAY_S = 86_400


def age(path: Path, seconds: float) -> None:
    at = path.stat().st_mtime - seconds
    os.utime(path, (at, at))


def orphan(store: ArtifactStore, make_file: MakeFile, content: bytes) -> str:
    """Store an object whose manifest is then lost."""
    sha256 = store.put_file("lost", make_file(content))
    for manifest in (Path(store.location) / "names" / "lost").rglob("*.json"):
        manifest.unlink()
    return sha256


def test_leftovers_older_than_a_day_go_when_a_store_opens(local: ArtifactStore, make_file: MakeFile) -> None:
    local.put_file("name", make_file(b"x"))
    old, young = (Path(local.location) / name for name in (".tmp-old", ".tmp-young"))
    for path in (old, young):
        path.write_bytes(b"half")
    age(old, DAY_S + 60)
    ArtifactStore.open(Path(local.location))
    assert (old.exists(), young.exists()) == (False, True)
    assert local.verify().is_whole


def test_an_orphan_goes_when_it_is_old(local: ArtifactStore, make_file: MakeFile, tmp_path: Path) -> None:
    sha256 = orphan(local, make_file, b"orphan")
    named = local.put_file("name", make_file(b"named"))
    assert local.sweep().num_files == 0
    for path in (Path(local.location) / "objects").rglob("*"):
        age(path, DAY_S + 60)
    report = local.sweep()
    assert (report.num_files, report.num_bytes) == (1, len(b"orphan"))
    assert local.fetch(named, tmp_path / "named").read_bytes() == b"named"
    with pytest.raises(StorageError, match="has no artefact"):
        local.fetch(sha256, tmp_path / "out")


def test_what_is_known_elsewhere_stays(local: ArtifactStore, make_file: MakeFile) -> None:
    kept, gone = orphan(local, make_file, b"kept"), orphan(local, make_file, b"gone")
    assert local.sweep(known=[kept], older_than_s=-1).num_files == 1
    assert [file.path.rpartition("/")[2] for file in local._objects.all()] == [kept]
    assert gone != kept


def test_files_of_a_folder_that_is_known_stay(
    store: ArtifactStore, make_folder: MakeFile, tmp_path: Path
) -> None:
    sha256 = store.put_folder("name", make_folder(b"x"))
    assert store.sweep(older_than_s=-1).num_files == 0
    assert store.fetch(sha256, tmp_path / "out").is_dir()


def test_a_folder_that_two_generations_have_pushed_out_leaves_nothing(
    store: ArtifactStore, make_folder: MakeFile
) -> None:
    for content in (b"1", b"2", b"3"):
        store.put_folder("name", make_folder(content, content.decode()))
    assert store.sweep(older_than_s=-1).num_files == 0  # nothing is left to sweep
    assert store.verify().num_objects == 2 * 2 + 1 + 2  # own files, the shared one, lists


def test_damaged_files_are_kept_for_a_month(local: ArtifactStore, make_file: MakeFile) -> None:
    sha256 = local.put_file("name", make_file(b"x"))
    (Path(local.location) / "objects" / sha256[:2] / sha256).write_bytes(b"y")
    local.verify()
    (aside,) = (Path(local.location) / "quarantine").iterdir()
    age(aside, 29 * DAY_S)
    assert local.sweep().num_files == 0
    age(aside, 2 * DAY_S)
    assert local.sweep().num_files == 1
