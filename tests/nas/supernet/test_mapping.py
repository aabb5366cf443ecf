"""A loaded supernet is a mapping of its file."""

from __future__ import annotations

import hashlib
import json
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from nas.supernet import Supernet
from nas.supernet.mapping import FileHasher
from search_spaces import SubnetConfig

MakeSupernet = Callable[..., Supernet]
#: The kernel maps the pages around one that is read too, by default 64 KiB.
AROUND = 2**16


@pytest.fixture(params=["float32", "bfloat16"])
def loaded(request: pytest.FixtureRequest, make_supernet: MakeSupernet, tmp_path: Path) -> Supernet:
    return Supernet.load(make_supernet(dtype=request.param).save(tmp_path / "supernet"))


def test_regions_hold_the_weights(loaded: Supernet) -> None:
    assert loaded.file is not None
    for name, parameter in loaded.model.named_parameters():
        bits = torch.from_numpy(loaded.file.regions[name].read())
        assert torch.equal(bits.view(parameter.dtype), parameter)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_loaded_weights_are_the_file_itself(loaded: Supernet) -> None:
    ranges = [_range(line) for line in _maps() if line.endswith("supernet/model.safetensors")]
    for parameter in loaded.model.parameters():
        assert any(low <= parameter.data_ptr() < high for low, high in ranges)


def test_a_file_is_read_once_for_both_hashes(
    make_supernet: MakeSupernet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import nas.supernet.supernet as module

    supernet = make_supernet()
    folder, expected = supernet.save(tmp_path / "supernet"), supernet.sha256
    monkeypatch.setattr(module, "hashlib", None)  # what hashes tensors
    assert Supernet.load(folder).sha256 == expected


def test_changed_weights_are_no_longer_those_of_the_file(loaded: Supernet) -> None:
    with torch.no_grad():
        next(loaded.model.parameters()).mul_(2)
    assert loaded.file is None


def test_another_order_of_layers_is_no_longer_that_of_the_file(loaded: Supernet) -> None:
    loaded.layer_order = tuple(reversed(loaded.layer_order))
    assert loaded.file is None


def test_a_replaced_file_is_not_taken_for_the_first(loaded: Supernet, make_supernet: MakeSupernet) -> None:
    assert loaded.file is not None
    folder = Path(next(iter(loaded.file.regions.values())).path).parent
    make_supernet(seed=9).save(folder)
    assert loaded.file is None


def test_changing_a_loaded_supernet_leaves_its_file(loaded: Supernet) -> None:
    assert loaded.file is not None
    path = Path(next(iter(loaded.file.regions.values())).path)
    before = path.read_bytes()
    loaded.rank("random", seed=1)
    assert path.read_bytes() == before


def test_a_supernet_of_unsorted_tensors_is_loaded_too(make_supernet: MakeSupernet, tmp_path: Path) -> None:
    supernet = make_supernet()
    folder = supernet.save(tmp_path / "supernet")
    path = folder / "model.safetensors"
    _write_unsorted(path)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["model.safetensors"] = {
        "bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    again = Supernet.load(folder)
    assert (again.sha256, again.file) == (supernet.sha256, None)


@pytest.mark.parametrize(
    "content", [b"", b"\x05", b"\xff" * 64, b"\x02\0\0\0\0\0\0\0{}", b"\x02\0\0\0\0\0\0\0[]"]
)
def test_what_is_no_safetensors_file_is_hashed_all_the_same(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.safetensors"
    path.write_bytes(content)
    hasher = FileHasher(b"")
    assert hasher(path) == hashlib.sha256(content).hexdigest()
    assert hasher.weights is None


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_extraction_reads_only_the_kept_layers(make_supernet: MakeSupernet, tmp_path: Path) -> None:
    sizes = {"hidden_size": 240, "intermediate_size": 1920, "num_hidden_layers": 6}
    loaded = Supernet.load(make_supernet(**sizes).save(tmp_path / "supernet"))
    kept = loaded.full.layers[:1] + (None,) * 5
    before = _resident_bytes()
    small = loaded.extract(SubnetConfig(hidden=240, layers=kept))
    size = sum(parameter.nbytes for parameter in small.parameters())
    tensors = len(list(small.parameters()))
    assert _resident_bytes() - before <= size + 2 * AROUND * tensors
    assert size + 2 * AROUND * tensors < 0.6 * sum(p.nbytes for p in loaded.model.parameters())


def _write_unsorted(path: Path) -> None:
    tensors = load_file(path)
    header, body = {"__metadata__": {"format": "pt"}}, b""
    for name, tensor in sorted(tensors.items(), reverse=True):
        data = tensor.numpy().tobytes()
        offsets = [len(body), len(body) + len(data)]
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": offsets}  # type: ignore[assignment]
        body += data
    text = json.dumps(header).encode()
    del tensors
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def _maps() -> list[str]:
    return Path("/proc/self/maps").read_text().splitlines()


def _range(line: str) -> tuple[int, int]:
    low, high = line.split(maxsplit=1)[0].split("-")
    return int(low, 16), int(high, 16)


def _resident_bytes() -> int:
    """Of all mapped safetensors files together."""
    total, is_ours = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.split()[0] and not line.split()[0].endswith(":"):
            is_ours = line.endswith(".safetensors")
        elif is_ours and line.startswith("Rss:"):
            total += int(line.split()[1]) * 1024
    return total
