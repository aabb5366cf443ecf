"""An export that becomes larger than it may is stopped, and nothing of it is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nas.errors import ConfigError
from nas.export import export_subnet
from nas.export.size_limit import SizeLimit

MUCH = 10_000_000


@pytest.fixture
def weight_bytes(supernet: Any, plain_config: Any) -> int:
    """Of the sub-network in float32."""
    return 4 * int(supernet.cost(plain_config).num_parameters)


def _stopped(folder: Path, supernet: Any, config: Any, facts: Any, **options: Any) -> str:
    """What is said of an export that does not end well and leaves nothing."""
    with pytest.raises(ConfigError) as caught:
        export_subnet(supernet, config, folder / "out", facts=facts, **options)
    assert [*folder.iterdir()] == []
    return str(caught.value)


def test_files_of_just_the_limit_are_allowed_and_a_byte_more_is_not(tmp_path: Path) -> None:
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx" / "model.onnx").write_bytes(b"x" * 70)
    (tmp_path / "config.json").write_bytes(b"x" * 20)
    limit = SizeLimit(folder=tmp_path, max_bytes=100)
    limit.check(coming_bytes=10)
    with pytest.raises(ConfigError):
        limit.check(coming_bytes=11)
    SizeLimit(folder=tmp_path, max_bytes=None).check(coming_bytes=MUCH)


def test_weights_above_the_limit_are_not_written(
    tmp_path: Path, supernet: Any, plain_config: Any, facts: Any, weight_bytes: int, monkeypatch: Any
) -> None:
    def write(*arguments: object) -> None:
        raise AssertionError("the weights were written")

    monkeypatch.setattr("nas.export.folder._write_model", write)
    said = _stopped(tmp_path, supernet, plain_config, facts, max_bytes=weight_bytes - 1)
    assert "its limit (max_bytes, limits.export_bytes of a service) is" in said
    assert "choose a smaller sub-network or fewer formats" in said


def test_files_beside_the_weights_count_as_they_are_written(
    tmp_path: Path, supernet: Any, plain_config: Any, facts: Any, weight_bytes: int
) -> None:
    said = _stopped(tmp_path, supernet, plain_config, facts, max_bytes=weight_bytes + 1)
    assert "its limit" in said


def test_a_format_that_has_no_room_is_not_converted(
    tmp_path: Path, supernet: Any, plain_config: Any, facts: Any, weight_bytes: int, monkeypatch: Any
) -> None:
    def convert(*arguments: object) -> None:
        raise AssertionError("the weights were converted")

    monkeypatch.setattr("nas.export.folder.write_runtime", convert)
    options = {"formats": ("hf", "onnx"), "max_bytes": 2 * weight_bytes}
    assert "fewer formats" in _stopped(tmp_path, supernet, plain_config, facts, **options)


def test_a_format_that_grows_beyond_its_weights_is_stopped(
    tmp_path: Path, supernet: Any, plain_config: Any, facts: Any, monkeypatch: Any
) -> None:
    def convert(model: object, runtime: str, folder: Path) -> None:
        (folder / runtime).mkdir()
        (folder / runtime / "model.onnx").write_bytes(b"x" * MUCH)

    monkeypatch.setattr("nas.export.folder.write_runtime", convert)
    options = {"formats": ("hf", "onnx"), "max_bytes": MUCH}
    assert "takes 10." in _stopped(tmp_path, supernet, plain_config, facts, **options)


def test_an_earlier_export_outlives_one_that_is_stopped(
    plain_folder: Path, supernet: Any, plain_config: Any, facts: Any
) -> None:
    before = {path.name: path.read_bytes() for path in plain_folder.iterdir()}
    with pytest.raises(ConfigError, match="its limit"):
        export_subnet(supernet, plain_config, plain_folder, facts=facts, max_bytes=1, overwrite=True)
    assert {path.name: path.read_bytes() for path in plain_folder.iterdir()} == before
