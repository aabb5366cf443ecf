"""What is put under a name is fetched as it was, wherever the store lies."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.artifacts import ArtifactStore
from nas.errors import ConfigError, StorageError

MakeFile = Callable[..., Path]
BIG = bytes(range(256)) * 12_000  # three pieces


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_a_file_comes_back_by_its_hash(store: ArtifactStore, make_file: MakeFile, tmp_path: Path) -> None:
    sha256 = store.put_file("tiny/weights", make_file(BIG))
    assert sha256 == hashlib.sha256(BIG).hexdigest()
    assert store.fetch(sha256, tmp_path / "out" / "weights").read_bytes() == BIG


def test_an_empty_file_comes_back(store: ArtifactStore, make_file: MakeFile, tmp_path: Path) -> None:
    sha256 = store.put_file("empty", make_file(b""))
    assert store.fetch(sha256, tmp_path / "out").read_bytes() == b""


def test_a_folder_comes_back_by_its_hash(store: ArtifactStore, make_folder: MakeFile, tmp_path: Path) -> None:
    folder = make_folder(BIG)
    sha256 = store.put_folder("tiny/supernet", folder)
    assert contents(store.fetch(sha256, tmp_path / "out")) == contents(folder)


def test_equal_folders_have_equal_hashes(store: ArtifactStore, make_folder: MakeFile) -> None:
    first = store.put_folder("a", make_folder(b"same", "one"))
    assert store.put_folder("b", make_folder(b"same", "two")) == first
    assert store.put_folder("b", make_folder(b"other", "three")) != first


def test_two_generations_of_a_name_are_kept(
    store: ArtifactStore, make_file: MakeFile, tmp_path: Path
) -> None:
    first, *kept = [store.put_file("name", make_file(content)) for content in (b"1", b"2", b"3")]
    assert [(one.sha256, one.generation) for one in store.generations("name")] == [(kept[1], 3), (kept[0], 2)]
    assert store.fetch(kept[0], tmp_path / "out").read_bytes() == b"2"
    with pytest.raises(StorageError, match="has no artefact"):
        store.fetch(first, tmp_path / "first")


def test_the_newest_generation_is_fetched_with_what_was_noted(
    store: ArtifactStore, make_file: MakeFile, tmp_path: Path
) -> None:
    store.put_file("name", make_file(b"old"), fingerprint="a")
    store.put_file("name", make_file(b"new"), fingerprint="b", facts={"step": 7})
    found = store.fetch_newest("name", tmp_path / "out")
    assert found is not None
    assert (found.fingerprint, found.facts, found.num_bytes) == ("b", {"step": 7}, 3)
    assert (tmp_path / "out").read_bytes() == b"new"


def test_a_generation_is_chosen_by_its_fingerprint(
    store: ArtifactStore, make_file: MakeFile, tmp_path: Path
) -> None:
    store.put_file("name", make_file(b"old"), fingerprint="a")
    store.put_file("name", make_file(b"new"), fingerprint="b")
    store.fetch_newest("name", tmp_path / "out", fingerprint="a")
    assert (tmp_path / "out").read_bytes() == b"old"
    assert store.fetch_newest("name", tmp_path / "out", fingerprint="c") is None


def test_an_unknown_name_has_nothing(store: ArtifactStore, tmp_path: Path) -> None:
    assert store.fetch_newest("nobody", tmp_path / "out") is None
    assert store.generations("nobody") == []
    assert not (tmp_path / "out").exists()


def test_names_are_listed_those_within_others_too(store: ArtifactStore, make_file: MakeFile) -> None:
    for name in ("b/c/d", "a", "b"):
        store.put_file(name, make_file(b"x"))
    assert store.names() == ["a", "b", "b/c/d"]


def test_what_two_names_share_stays_while_one_has_it(
    store: ArtifactStore, make_file: MakeFile, tmp_path: Path
) -> None:
    shared = store.put_file("a", make_file(b"shared"))
    store.put_file("b", make_file(b"shared"))
    store.remove("a")
    assert store.fetch(shared, tmp_path / "out").read_bytes() == b"shared"
    store.remove("b")
    with pytest.raises(StorageError):
        store.fetch(shared, tmp_path / "out")


def test_another_process_finds_what_was_stored(
    store: ArtifactStore, place: str | Path, make_file: MakeFile
) -> None:
    store.put_file("name", make_file(b"x"), fingerprint="f")
    assert ArtifactStore.open(place).generations("name") == store.generations("name")


def test_a_file_that_may_be_moved_is_gone_afterwards(
    store: ArtifactStore, make_file: MakeFile, tmp_path: Path
) -> None:
    for _ in range(2):  # the second time it is known already
        path = make_file(BIG)
        sha256 = store.put_file("name", path, is_moved=True)
        assert not path.exists()
    assert store.fetch(sha256, tmp_path / "out").read_bytes() == BIG


def test_a_folder_is_not_written_over(store: ArtifactStore, make_folder: MakeFile, tmp_path: Path) -> None:
    sha256 = store.put_folder("name", make_folder(b"x"))
    (tmp_path / "out").mkdir()
    with pytest.raises(ConfigError, match="choose a new folder"):
        store.fetch(sha256, tmp_path / "out")


def test_a_file_takes_the_place_of_an_older_one(
    store: ArtifactStore, make_file: MakeFile, tmp_path: Path
) -> None:
    (tmp_path / "out").write_bytes(b"older")
    store.fetch(store.put_file("name", make_file(b"newer")), tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"newer"


@pytest.mark.parametrize(
    "name", ["", "../up", "a/../b", "/a", "a//b", ".hidden", "a/b/c/d/e", "a b", "a\0", "é"]
)
def test_a_name_that_is_no_path_everywhere_is_refused(
    local: ArtifactStore, make_file: MakeFile, name: str
) -> None:
    with pytest.raises(ConfigError, match="artefact name"):
        local.put_file(name, make_file(b"x"))


@pytest.mark.parametrize("sha256", ["", "abc", "../" * 20 + "abcd", "A" * 64])
def test_what_is_no_hash_is_refused(local: ArtifactStore, tmp_path: Path, sha256: str) -> None:
    with pytest.raises(ConfigError, match="is no SHA-256"):
        local.fetch(sha256, tmp_path / "out")


def test_a_file_that_is_not_there_is_named(local: ArtifactStore, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.bin is no file"):
        local.put_file("name", tmp_path / "nowhere.bin")


def test_a_folder_with_a_symbolic_link_is_refused(local: ArtifactStore, make_folder: MakeFile) -> None:
    folder = make_folder(b"x")
    (folder / "link").symlink_to("/etc/hostname")
    with pytest.raises(ConfigError, match="link is a symbolic link"):
        local.put_folder("name", folder)


def test_a_url_of_an_unknown_kind_is_refused() -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(ConfigError, match="nonsense"):
        ArtifactStore.open("nonsense://bucket/folder")


def test_a_place_that_cannot_be_written_is_named(make_file: MakeFile, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file")
    with pytest.raises(StorageError, match=r"cannot (read|write)"):
        ArtifactStore.open(tmp_path / "store").put_file("name", make_file(b"x"))
