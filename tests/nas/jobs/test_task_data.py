"""Searches of every task from a config: tiny random models, real files, SQLite."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoConfig, BertTokenizer

import nas
from nas.config import DataSection, SearchConfig, parse_config
from nas.data import Texts
from nas.jobs import run_search
from nas.jobs.examples import load_parts
from nas.tasks import head_class, task_of

WORDS = ["good", "fine", "bad", "poor", "film", "story", "the", "was"]
SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "initializer_range": 0.3,
}


def _model(folder: Path, kind: str, task: str, **sizes: Any) -> str:
    """A random model with a tokenizer, or with the settings of its images."""
    folder.mkdir()
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **(SIZES | sizes))
    head_class(task_of(task), config).from_config(config).save_pretrained(folder)
    if kind == "vit":
        settings = {
            "image_mean": [0.5] * 3,
            "image_std": [0.5] * 3,
            "image_processor_type": "ViTImageProcessor",
        }
        (folder / "preprocessor_config.json").write_text(json.dumps(settings))
        return str(folder)
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    tokenizer = BertTokenizer(
        vocab={name: index for index, name in enumerate(names)}, eos_token="[SEP]", model_max_length=32
    )
    tokenizer.save_pretrained(folder)
    return str(folder)


def _config(folder: Path, model: dict[str, Any], data: dict[str, Any], metric: str) -> SearchConfig:
    return parse_config(
        {
            "version": 1,
            "name": "tiny",
            "model": model,
            "supernet": {"importance": "magnitude_l2", "train": {"passes": 8}, "calibration": 16},
            "data": data,
            "target": None,
            "objectives": [metric, "min num_parameters"],
            "search": {"trials": 3},
            "evaluation": {"precision": "float32"},
            "workers": {"kind": "serial"},
            "storage": {"url": f"sqlite:///{folder / 'nas.db'}", "artifacts": str(folder / "artifacts")},
        }
    )


def _text_sizes(**more: Any) -> dict[str, Any]:
    return {"vocab_size": 16, "max_position_embeddings": 32, **more}


def _words(generator: np.random.Generator, number: int) -> list[str]:
    return [str(word) for word in generator.choice(WORDS, number)]


def _searched(config: SearchConfig, metric: str) -> float:
    with run_search(config) as study:
        assert len(study.best_trials) >= 1
        return study.baseline[metric]


@pytest.mark.parametrize(
    ("task", "kind", "metric"), [("causal-lm", "llama", "perplexity"), ("masked-lm", "bert", "loss")]
)
def test_a_language_model_is_searched_on_text(task: str, kind: str, metric: str, tmp_path: Path) -> None:
    model = _model(tmp_path / "model", kind, task, **_text_sizes())
    text = tmp_path / "text.txt"
    text.write_text(" ".join(_words(np.random.default_rng(0), 400)))
    data = {"train": str(text), "validation": str(text), "max_length": 16, "limit": 12}
    value = _searched(_config(tmp_path, {"id": model, "task": task}, data, f"min {metric}"), metric)
    assert 0 < value < 1000


def test_a_tagger_is_searched_on_a_conll_file(tmp_path: Path) -> None:
    model = _model(tmp_path / "model", "bert", "token-classification", **_text_sizes(num_labels=2))
    path, generator = tmp_path / "tags.conll", np.random.default_rng(0)
    lines = [f"{word} {'B' if word in ('good', 'bad') else 'O'}" for word in _words(generator, 160)]
    path.write_text("\n".join(line + "\n" * (index % 5 == 4) for index, line in enumerate(lines)))
    data = {"train": str(path), "validation": str(path), "max_length": 16}
    config = _config(tmp_path, {"id": model, "task": "token-classification"}, data, "max f1_macro")
    assert 0 <= _searched(config, "f1_macro") <= 1


def test_an_embedding_model_is_searched_on_scored_pairs(tmp_path: Path) -> None:
    model = _model(tmp_path / "model", "bert", "feature-extraction", **_text_sizes())
    path, generator = tmp_path / "sts.csv", np.random.default_rng(0)
    rows = [f"{' '.join(_words(generator, 3))},{' '.join(_words(generator, 2))},{i % 6}" for i in range(24)]
    path.write_text("\n".join(["sentence1,sentence2,score", *rows]))
    data = {"train": str(path), "validation": str(path), "max_length": 16, "score_range": [0, 5]}
    config = _config(tmp_path, {"id": model, "task": "feature-extraction"}, data, "max spearman")
    assert -1 <= _searched(config, "spearman") <= 1


def test_an_image_classifier_is_searched_on_an_npz_file(tmp_path: Path) -> None:
    sizes = {"image_size": 8, "patch_size": 4, "num_labels": 2}
    model = _model(tmp_path / "model", "vit", "image-classification", **sizes)
    generator = np.random.default_rng(0)
    pixels, labels = generator.integers(0, 256, (24, 10, 10), dtype=np.uint8), np.arange(24) % 2
    np.savez(tmp_path / "images.npz", images=pixels, labels=labels)
    data = {"train": str(tmp_path / "images.npz"), "validation": str(tmp_path / "images.npz"), "limit": 20}
    config = _config(tmp_path, {"id": model, "task": "image-classification"}, data, "max accuracy")
    assert 0 <= _searched(config, "accuracy") <= 1


def test_a_regression_reads_whole_numbers_as_numbers(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text("text,label\ngood,3\nbad,1\n")
    parts = load_parts(DataSection(validation=str(path)), task="regression")
    assert parts.validation.label_names == ()


def test_the_bundled_sentences_serve_language_models() -> None:
    parts = load_parts(DataSection(validation="docstrings", limit=5), task="causal-lm")
    assert isinstance(parts.validation, Texts)
    assert parts.validation.max_blocks == 5


def test_the_bundled_sentences_have_no_labels_for_other_tasks() -> None:
    with pytest.raises(nas.ConfigError, match="no labels for task token-classification; name a file"):
        load_parts(DataSection(validation="docstrings"), task="token-classification")
