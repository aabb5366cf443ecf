"""A saved supernet comes back equal, or not at all."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.errors import ConfigError, StorageError
from nas.supernet import Supernet
from nas.supernet.checkpoint import MANIFEST, new_folder, read_manifest, write_manifest

MakeSupernet = Callable[..., Supernet]
Usage = namedtuple("Usage", ["total", "used", "free"])


@pytest.fixture
def saved(tmp_path: Path, make_supernet: MakeSupernet) -> tuple[Supernet, Path]:
    """A ranked supernet and the folder that it was saved to."""
    supernet = make_supernet()
    supernet.rank("random", seed=13)
    supernet.provenance["training"] = {"passes": 7}
    return supernet, supernet.save(tmp_path / "supernet")


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_saved_supernet_comes_back_equal(saved: tuple[Supernet, Path], tiny_batch: Any) -> None:
    supernet, folder = saved
    again = Supernet.load(folder)
    assert again.sha256 == supernet.sha256
    assert again.shape == supernet.shape
    assert (again.layer_order, again.ranking) == (supernet.layer_order, supernet.ranking)
    assert (again.task, again.provenance) == (supernet.task, supernet.provenance)
    assert again.space("uniform").sha256 == supernet.space("uniform").sha256
    assert supernet.layer_order != (0, 1, 2)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_a_saved_supernet_keeps_its_precision(
    dtype: str, tmp_path: Path, make_supernet: MakeSupernet
) -> None:
    supernet = make_supernet(dtype=dtype)
    again = Supernet.load(supernet.save(tmp_path / "supernet"))
    assert again.model.dtype == getattr(torch, dtype)
    assert again.sha256 == supernet.sha256


def test_a_saved_supernet_is_an_ordinary_model_folder(saved: tuple[Supernet, Path]) -> None:
    supernet, folder = saved
    assert {"config.json", "model.safetensors", MANIFEST} <= set(_names(folder))
    weights = Supernet.from_pretrained(folder).model.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in supernet.model.state_dict().items())


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_every_flipped_bit_is_detected(name: str, saved: tuple[Supernet, Path]) -> None:
    _, folder = saved
    content = (folder / name).read_bytes()

    @given(position=st.integers(0, len(content) - 1), bit=st.integers(0, 7))
    @settings(max_examples=20)
    def flip(position: int, bit: int) -> None:
        damaged = bytearray(content)
        damaged[position] ^= 1 << bit
        (folder / name).write_bytes(damaged)
        with pytest.raises(StorageError, match=f"{name} does not match its SHA-256"):
            Supernet.load(folder)

    flip()


def test_a_truncated_file_is_detected(saved: tuple[Supernet, Path]) -> None:
    _, folder = saved
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(StorageError, match=r"model.safetensors does not match"):
        Supernet.load(folder)


def test_a_missing_file_is_detected(saved: tuple[Supernet, Path]) -> None:
    _, folder = saved
    (folder / "model.safetensors").unlink()
    with pytest.raises(StorageError, match=r"model.safetensors is missing"):
        Supernet.load(folder)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"files": {"config.json": {}}}', '{"files": []}'])
def test_a_damaged_manifest_is_detected(text: str, saved: tuple[Supernet, Path]) -> None:
    _, folder = saved
    (folder / MANIFEST).write_text(text)
    with pytest.raises(StorageError, match=rf"{MANIFEST} is damaged"):
        Supernet.load(folder)


def test_other_weights_under_a_valid_manifest_are_detected(saved: tuple[Supernet, Path]) -> None:
    _, folder = saved
    facts = json.loads((folder / MANIFEST).read_text())
    write_manifest(folder, facts | {"weights_sha256": "0" * 64})
    with pytest.raises(StorageError, match="the weights read are not those that were saved"):
        Supernet.load(folder)


def test_a_folder_of_a_later_format_is_refused(saved: tuple[Supernet, Path]) -> None:
    _, folder = saved
    write_manifest(folder, json.loads((folder / MANIFEST).read_text()) | {"format": 2})
    with pytest.raises(ConfigError, match="supernet format 2; this version reads 1"):
        Supernet.load(folder)


def test_a_folder_that_is_no_supernet_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ConfigError, match=f"is no supernet folder: it has no {MANIFEST}"):
            Supernet.load(path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is a file, not a supernet folder"):
        Supernet.load(tmp_path / "file")


def test_saving_again_replaces_the_folder_whole(saved: tuple[Supernet, Path]) -> None:
    supernet, folder = saved
    (folder / "left_over.txt").write_text("old")
    supernet.rank("random", seed=4)
    supernet.save(folder)
    assert "left_over.txt" not in _names(folder)
    assert Supernet.load(folder).sha256 == supernet.sha256
    assert _names(folder.parent) == ["supernet"]


def test_too_little_space_is_an_error_before_anything_is_written(
    tmp_path: Path, make_supernet: MakeSupernet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10, 9, 1))
    with pytest.raises(StorageError, match=r"0 MB free, .* MB are needed"):
        make_supernet().save(tmp_path / "supernet")
    assert _names(tmp_path) == []


def test_a_failed_save_leaves_nothing_behind(
    tmp_path: Path, make_supernet: MakeSupernet, monkeypatch: pytest.MonkeyPatch
) -> None:
    supernet = make_supernet()

    def fail(folder: Path) -> None:
        (folder / "model.safetensors").write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(supernet.model, "save_pretrained", fail)
    with pytest.raises(StorageError, match=r"cannot write .*No space left on device"):
        supernet.save(tmp_path / "supernet")
    assert _names(tmp_path) == []


def test_a_failed_save_leaves_the_older_folder_as_it_was(
    saved: tuple[Supernet, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    supernet, folder = saved
    before = supernet.sha256
    supernet.rank("random", seed=4)

    def fail(self: Path, target: Path) -> Path:
        if self.name.startswith(".tmp-"):
            raise OSError(5, "Input/output error")
        return rename(self, target)

    rename = Path.rename
    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(StorageError, match="Input/output error"):
        supernet.save(folder)
    assert _names(folder.parent) == ["supernet"]
    assert Supernet.load(folder).sha256 == before


def test_a_kill_between_both_moves_is_repaired_on_reading(saved: tuple[Supernet, Path]) -> None:
    supernet, folder = saved
    folder.rename(folder.parent / ".old-supernet-0123abcd")
    assert Supernet.load(folder).sha256 == supernet.sha256
    assert _names(folder.parent) == ["supernet"]


def test_a_folder_that_others_wrote_is_never_replaced(tmp_path: Path, make_supernet: MakeSupernet) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("precious")
    for path in (tmp_path / "home", tmp_path / "home" / "thesis.txt"):
        with pytest.raises(ConfigError, match="was not written by this library; choose a new folder"):
            make_supernet().save(path)
    assert (tmp_path / "home" / "thesis.txt").read_text() == "precious"


def test_an_empty_folder_is_filled(tmp_path: Path, make_supernet: MakeSupernet) -> None:
    (tmp_path / "supernet").mkdir()
    assert Supernet.load(make_supernet().save(tmp_path / "supernet")).task == "sequence-classification"


def test_an_error_in_the_body_removes_the_temporary_folder(tmp_path: Path) -> None:
    def write_half() -> None:
        with new_folder(tmp_path / "result") as folder:
            (folder / "half").write_text("")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert _names(tmp_path) == []


def test_files_in_sub_folders_are_checked_too(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "weights").write_bytes(b"1234")
    write_manifest(tmp_path, {"answer": 42})
    assert read_manifest(tmp_path)["answer"] == 42
    (tmp_path / "below" / "weights").write_bytes(b"1235")
    with pytest.raises(StorageError, match="below/weights does not match"):
        read_manifest(tmp_path)
