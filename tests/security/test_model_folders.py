"""T5: whatever a model folder asks for, nothing in it runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nas.errors import ConfigError, NasError, UnsupportedModelError
from nas.supernet import Supernet
from nas.supernet.model_folders import refuse_unsafe, refused_entries


class _Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self._canary = canary

    def __reduce__(self) -> Any:
        return Path.touch, (self._canary,)


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


@pytest.fixture
def model(tmp_path: Path, tiny_files: Path) -> Path:
    return Path(shutil.copytree(tiny_files / "model", tmp_path / "model"))


def _edit(path: Path, **entries: Any) -> None:
    record = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(record | entries))


def _pickle(path: Path, canary: Path) -> None:
    torch.save({"weight": _Payload(canary)}, path)


def _code(model: Path, canary: Path) -> None:
    (model / "evil.py").write_text(f"open({str(canary)!r}, 'w')\n")


def _auto_map(model: Path, canary: Path) -> None:
    _code(model, canary)
    names = ("AutoConfig", "AutoModelForSequenceClassification")
    _edit(model / "config.json", auto_map=dict.fromkeys(names, "evil.Model"))


def _tokenizer_code(model: Path, canary: Path) -> None:
    _code(model, canary)
    _edit(model / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.T", "evil.T"]})


def _nested_code(model: Path, canary: Path) -> None:
    _code(model, canary)
    nested = {"model_type": "bert", "auto_map": {"AutoConfig": "evil.Model"}}
    _edit(model / "config.json", keypoint_detector_config=[nested])


def _generation_code(model: Path, canary: Path) -> None:
    (model / "custom_generate").mkdir()
    (model / "custom_generate" / "generate.py").write_text(f"open({str(canary)!r}, 'w')\n")
    _edit(model / "generation_config.json", custom_generate=str(model))


def _pickled_weights(model: Path, canary: Path) -> None:
    (model / "model.safetensors").unlink()
    _pickle(model / "pytorch_model.bin", canary)


def _pickled_shard(model: Path, canary: Path) -> None:
    (model / "model.safetensors").unlink()
    _pickle(model / "evil.bin", canary)
    index = {"metadata": {}, "weight_map": {"classifier.weight": "evil.bin"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))


def _shard_elsewhere(model: Path, canary: Path) -> None:
    shutil.move(model / "model.safetensors", model.parent / "other.safetensors")
    index = {"metadata": {}, "weight_map": {"classifier.weight": "../other.safetensors"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))


def _adapter(model: Path, canary: Path) -> None:
    _pickle(model / "adapter_model.bin", canary)
    (model / "adapter_config.json").write_text(
        json.dumps({"peft_type": "LORA", "base_model_name_or_path": "x"})
    )


def _kernel(key: str) -> Callable[[Path, Path], None]:
    def change(model: Path, canary: Path) -> None:
        _edit(model / "config.json", **{key: "someone/kernel"})

    return change


ATTACKS: dict[str, Callable[[Path, Path], None]] = {
    "auto_map": _auto_map,
    "tokenizer code": _tokenizer_code,
    "nested code": _nested_code,
    "generation code": _generation_code,
    "pickled weights": _pickled_weights,
    "pickled shard": _pickled_shard,
    "shard elsewhere": _shard_elsewhere,
    "adapter": _adapter,
    "quantisation": lambda model, _: _edit(model / "config.json", quantization_config={"quant_method": "x"}),
    **{
        key: _kernel(key)
        for key in (
            "attn_implementation",
            "_attn_implementation",
            "_attn_implementation_internal",
            "experts_implementation",
            "_experts_implementation_internal",
            "kernel_config",
            "use_kernels",
        )
    },
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_evil_folder_is_refused_and_nothing_in_it_runs(attack: str, model: Path, canary: Path) -> None:
    ATTACKS[attack](model, canary)
    with pytest.raises((ConfigError, UnsupportedModelError)):
        Supernet.from_pretrained(model, num_labels=2)
    assert not canary.exists()


def test_the_same_folder_without_an_attack_is_loaded(model: Path) -> None:
    assert Supernet.from_pretrained(model, num_labels=2).shape.hidden_size == 32


def test_a_pickle_beside_good_weights_is_never_opened(model: Path, canary: Path) -> None:
    _pickle(model / "pytorch_model.bin", canary)
    Supernet.from_pretrained(model, num_labels=2)
    assert not canary.exists()


def test_a_saved_supernet_whose_config_was_changed_is_refused(
    tmp_path: Path, model: Path, canary: Path
) -> None:
    saved = Supernet.from_pretrained(model, num_labels=2).save(tmp_path / "supernet")
    _auto_map(Path(saved), canary)
    with pytest.raises(NasError, match=r"does not match its SHA-256"):
        Supernet.load(tmp_path / "supernet")
    assert not canary.exists()


def test_harmless_entries_are_no_reason_to_refuse(model: Path) -> None:
    """transformers itself wrote these for years."""
    _edit(model / "config.json", _attn_implementation_autoset=True, attn_implementation=None, auto_map={})
    refuse_unsafe(model / "config.json")


def test_a_refused_entry_is_named_with_where_it_lies() -> None:
    record = {"text_config": {"layers": [{"auto_map": {"a": "b"}}]}, "use_kernels": True}
    assert sorted(refused_entries(record)) == ["text_config.layers.auto_map", "use_kernels"]


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, '"text"', "{"])
def test_a_config_that_is_a_bomb_or_no_object_is_refused(text: str, model: Path) -> None:
    (model / "config.json").write_text(text)
    with pytest.raises(ConfigError):
        refuse_unsafe(model / "config.json")


def test_a_huge_config_is_refused_unread(model: Path) -> None:
    with (model / "config.json").open("ab") as stream:
        stream.truncate(17 * 2**20)
    with pytest.raises(ConfigError, match="larger than 16 MiB"):
        refuse_unsafe(model / "config.json")
