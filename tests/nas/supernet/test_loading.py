"""Models are read from safetensors alone, and nothing in a folder runs or is downloaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast, ViTConfig

from nas.data import ImageSettings
from nas.errors import ConfigError, UnsupportedModelError
from nas.supernet import Supernet
from nas.supernet.loading import load_image_settings

MakeModel = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path, tiny_model: MakeModel) -> Path:
    """A stock model folder without a tokenizer."""
    tiny_model().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def _change_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_loaded_supernet_computes_what_the_saved_model_computes(
    folder: Path, tiny_model: MakeModel, tiny_batch: Any
) -> None:
    inputs = tiny_batch().inputs
    supernet = Supernet.from_pretrained(folder)
    # The stock loader picks another attention kernel, which sums in another order.
    torch.testing.assert_close(
        supernet.model(**inputs).logits, tiny_model()(**inputs).logits, atol=1e-5, rtol=1e-5
    )
    assert supernet.provenance["source"] == str(folder)


def test_weights_are_read_in_float32(tmp_path: Path, tiny_model: MakeModel) -> None:
    tiny_model(dtype="bfloat16").save_pretrained(tmp_path / "model")
    assert Supernet.from_pretrained(tmp_path / "model").model.dtype == torch.float32


def test_a_folder_without_tokenizer_files_has_no_tokenizer(folder: Path) -> None:
    assert Supernet.from_pretrained(folder).tokenizer is None


def test_a_tokenizer_beside_the_model_is_read(folder: Path) -> None:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "deep", "sea"]
    BertTokenizerFast(vocab={word: index for index, word in enumerate(words)}).save_pretrained(folder)
    tokenizer: Any = Supernet.from_pretrained(folder).tokenizer
    assert tokenizer("deep sea")["input_ids"] == [2, 5, 6, 3]


def test_a_saved_supernet_brings_its_tokenizer_back(folder: Path, tmp_path: Path) -> None:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "deep", "sea"]
    BertTokenizerFast(vocab={word: index for index, word in enumerate(words)}).save_pretrained(folder)
    again: Any = Supernet.load(Supernet.from_pretrained(folder).save(tmp_path / "supernet")).tokenizer
    assert again("sea deep")["input_ids"] == [2, 6, 5, 3]


def test_label_names_give_a_base_model_a_head_of_their_number(tmp_path: Path) -> None:
    config = BertConfig(
        vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=4
    )
    BertModel(config).save_pretrained(tmp_path / "base")
    supernet = Supernet.from_pretrained(tmp_path / "base", label_names=["a", "b", "c", "d"])
    assert supernet.model.config.num_labels == 4
    assert supernet.model.config.id2label == {0: "a", 1: "b", 2: "c", 3: "d"}
    assert supernet.model.classifier.weight.shape == (4, 8)


def test_regression_has_one_output(tmp_path: Path, tiny_model: MakeModel) -> None:
    tiny_model(num_labels=1).save_pretrained(tmp_path / "model")
    supernet = Supernet.from_pretrained(tmp_path / "model", task="regression")
    assert supernet.model.config.num_labels == 1
    with pytest.raises(ConfigError, match="one output; got num_labels 2"):
        Supernet.from_pretrained(tmp_path / "model", task="regression", num_labels=2)


@pytest.mark.parametrize("labels", [{"num_labels": 2}, {"label_names": ["a", "b"]}])
def test_another_number_of_labels_than_the_head_has_is_refused(folder: Path, labels: Any) -> None:
    with pytest.raises(ConfigError, match="its head has another number of outputs; leave num_labels"):
        Supernet.from_pretrained(folder, **labels)


def test_a_number_of_labels_that_contradicts_their_names_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="num_labels is 3, but 2 label names were given"):
        Supernet.from_pretrained(folder, num_labels=3, label_names=["a", "b"])


def test_the_model_s_own_label_names_in_another_order_are_refused(folder: Path) -> None:
    names = {"0": "bad", "1": "fair", "2": "good"}
    _change_config(folder, id2label=names, label2id={name: int(index) for index, name in names.items()})
    with pytest.raises(ConfigError, match=r"in another order; it has \['bad', 'fair', 'good'\]"):
        Supernet.from_pretrained(folder, label_names=["good", "fair", "bad"])
    assert Supernet.from_pretrained(folder, label_names=["bad", "fair", "good"]).model is not None


@pytest.mark.parametrize("source", ["no/such/folder", "/no/such/folder", "no-such-folder"])
def test_a_missing_folder_is_named_and_explained(source: str) -> None:
    with pytest.raises(ConfigError, match=f"cannot load model '{source}'.*no such folder here"):
        Supernet.from_pretrained(source)


def test_a_folder_without_a_config_is_no_model_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is no model folder: it has no config.json"):
        Supernet.from_pretrained(tmp_path)


@pytest.mark.parametrize(("text", "message"), [("{", "is not JSON"), ("[]", "is not a JSON object")])
def test_a_damaged_config_is_refused(text: str, message: str, folder: Path) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(ConfigError, match=message):
        Supernet.from_pretrained(folder)


@pytest.mark.parametrize(
    "entry",
    [
        {"auto_map": {"AutoModelForSequenceClassification": "evil.Model"}},
        {"quantization_config": {"quant_method": "bitsandbytes"}},
        {"_attn_implementation_internal": "someone/kernel"},
        {"_attn_implementation": "someone/kernel"},
        {"attn_implementation": "someone/kernel"},
    ],
)
def test_a_config_that_asks_for_code_is_refused_by_the_entry_s_name(entry: Any, folder: Path) -> None:
    _change_config(folder, **entry)
    with pytest.raises(UnsupportedModelError, match=f"has '{next(iter(entry))}', which"):
        Supernet.from_pretrained(folder)


def test_a_folder_with_adapters_is_refused(folder: Path) -> None:
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "someone/model"}')
    with pytest.raises(UnsupportedModelError, match=r"adapter_config.json, which this library does not"):
        Supernet.from_pretrained(folder)


class _Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self._canary = canary

    def __reduce__(self) -> Any:
        return Path.touch, (self._canary,)


def test_pickled_weights_are_never_loaded(folder: Path, tmp_path: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({"weight": _Payload(tmp_path / "canary")}, folder / "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"cannot load model .*model.safetensors"):
        Supernet.from_pretrained(folder)
    assert not (tmp_path / "canary").exists()


def test_code_beside_the_weights_never_runs(folder: Path, tmp_path: Path) -> None:
    (folder / "modeling_bert.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w')")
    Supernet.from_pretrained(folder)
    assert not (tmp_path / "canary").exists()


def test_an_unknown_architecture_is_refused_before_its_weights_are_read(folder: Path) -> None:
    _change_config(folder, model_type="bloom")
    (folder / "model.safetensors").unlink()
    with pytest.raises(UnsupportedModelError, match="'bloom' has no family description; known are"):
        Supernet.from_pretrained(folder)


def test_truncated_weights_are_refused(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ConfigError, match="cannot load model"):
        Supernet.from_pretrained(folder)


def test_a_task_that_the_model_has_no_head_for_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"task 'seq2seq-lm' has no head for model type 'bert'; allowed"):
        Supernet.from_pretrained(folder, task="seq2seq-lm")


@pytest.mark.parametrize("task", ["masked-lm", "feature-extraction"])
def test_a_task_without_classes_takes_no_labels(folder: Path, task: str) -> None:
    assert Supernet.from_pretrained(folder, task=task).task == task
    with pytest.raises(ConfigError, match=f"task {task} has no classes; leave num_labels"):
        Supernet.from_pretrained(folder, task=task, num_labels=2)


def test_tags_give_a_model_a_head_of_their_number(folder: Path) -> None:
    model = Supernet.from_pretrained(folder, task="token-classification", label_names=["O", "B", "I"]).model
    assert type(model).__name__ == "BertForTokenClassification"
    assert model.config.id2label == {0: "O", 1: "B", 2: "I"}


def _settings(folder: Path, **entries: Any) -> None:
    record = {"image_mean": [0.5] * 3, "image_std": [0.2] * 3, "image_processor_type": "ViTImageProcessor"}
    (folder / "preprocessor_config.json").write_text(json.dumps(record | entries))


def test_image_settings_are_those_of_the_processor(folder: Path) -> None:
    _settings(folder, rescale_factor=0.5)
    settings = load_image_settings(folder, ViTConfig(image_size=[8, 6]))
    assert settings == ImageSettings(image_size=(8, 6), mean=(0.5,) * 3, std=(0.2,) * 3, rescale_factor=0.5)


def test_a_processor_that_does_not_normalise_is_followed(folder: Path) -> None:
    _settings(folder, do_normalize=False, do_rescale=False)
    settings = load_image_settings(folder, ViTConfig(image_size=8))
    assert (settings.mean, settings.std, settings.rescale_factor) == ((0.0,) * 3, (1.0,) * 3, 1.0)


def test_a_model_without_an_image_processor_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no preprocessor_config.json"):
        load_image_settings(folder, ViTConfig())
