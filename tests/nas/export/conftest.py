from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

from nas.export import ExportFacts, ExportReport, export_subnet
from nas.supernet import Supernet
from search_spaces import LayerUnits, SubnetConfig

SIZES = {
    "vocab_size": 100,
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 40,
}


@pytest.fixture(scope="session")
def scrambled():
    """Gives a model weights far from zero, so that a confusion of two slices shows in the logits."""

    def scramble(model):
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
        return model.eval()

    return scramble


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory) -> BertTokenizer:
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    file = tmp_path_factory.mktemp("tokenizer") / "vocab.txt"
    file.write_text("\n".join(words), encoding="utf-8")
    return BertTokenizer(vocab=str(file))


@pytest.fixture(scope="session")
def supernet(tokenizer, scrambled) -> Supernet:
    config = BertConfig(**SIZES, num_labels=3)
    return Supernet.from_model(scrambled(BertForSequenceClassification(config)), tokenizer)


@pytest.fixture(scope="session")
def plain_config() -> SubnetConfig:
    return SubnetConfig(hidden=24, layers=(*[LayerUnits(heads=3, ffn=10)] * 3, None))


@pytest.fixture(scope="session")
def mixed_config() -> SubnetConfig:
    """Explicit index sets, a cut residual stream, removed attention, a dropped layer, a removed FFN."""
    layers = (
        LayerUnits(heads=(1, 3), ffn=10),
        LayerUnits(heads=0, ffn=(5, 9, 11)),
        None,
        LayerUnits(heads=3, ffn=0),
    )
    return SubnetConfig(hidden=tuple(range(3, 27)), layers=layers)


@pytest.fixture(scope="session")
def facts() -> ExportFacts:
    return ExportFacts(
        study="tiny",
        trial=17,
        origin="nsga2",
        metrics={"accuracy": 0.61, "latency_ms": 3.2},
        baseline={"accuracy": 0.66, "latency_ms": 5.1},
        constraints=("latency_ms <= 4",),
        objectives=("max accuracy", "min latency_ms"),
        target={"name": "local", "fingerprint": {"cpu": "a processor", "logical_cores": 2}},
        data={"name": "sentences", "sha256": "ab" * 32, "examples": 200},
        samples={"latency_ms": [3.1, 3.2, 3.3]},
    )


@pytest.fixture(scope="session")
def plain_report(supernet, plain_config, facts, tmp_path_factory) -> ExportReport:
    return export_subnet(supernet, plain_config, tmp_path_factory.mktemp("plain") / "out", facts=facts)


@pytest.fixture(scope="session")
def mixed_report(supernet, mixed_config, facts, tmp_path_factory) -> ExportReport:
    return export_subnet(supernet, mixed_config, tmp_path_factory.mktemp("mixed") / "out", facts=facts)


@pytest.fixture
def plain_folder(plain_report, tmp_path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(plain_report.folder, tmp_path / "plain"))


@pytest.fixture
def mixed_folder(mixed_report, tmp_path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(mixed_report.folder, tmp_path / "mixed"))


@pytest.fixture
def own_modules_cache(tmp_path, monkeypatch) -> None:
    """Where transformers puts the modelling files that a test lets it run."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr("sys.path", list(sys.path))
