"""A finished study on a tiny random BERT, and the command line run in this process."""

from __future__ import annotations

import csv
import json
import logging
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

import nas
from nas.cli.errors import run

WORDS = ["red", "blue", "green", "cat", "dog", "fish", "runs", "sleeps"]
CONFIG = """\
version: 1
name: job
model: {id: bert, task: sequence-classification}
data: {train: train.csv, validation: validation.csv, max_length: 8}
supernet: {importance: magnitude_l2}
target: null
objectives: [max accuracy, min num_parameters]
constraints: ["num_parameters <= 0.9 * baseline"]
search: {trials: 14}
workers: {kind: serial}
"""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def rows(self) -> list[list[str]]:
        """Words of each line of a table without blanks in its cells, the header first."""
        return [line.split() for line in self.out.splitlines()]


Command = Callable[..., Outcome]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Runs `nas` with arguments as the console does, errors and exit code included."""
    root, hook = logging.getLogger(), sys.excepthook
    handlers, level = list(root.handlers), root.level

    def run_command(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(code=code, out=captured.out, err=captured.err)

    yield run_command
    root.handlers, sys.excepthook = handlers, hook
    root.setLevel(level)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random model, its tokenizer, labelled texts and a config."""
    folder = tmp_path_factory.mktemp("job")
    model = folder / "bert"
    model.mkdir()
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (model / "vocab.txt").write_text("\n".join(vocabulary))
    BertTokenizer(vocab=str(model / "vocab.txt")).save_pretrained(model)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = BertConfig(vocab_size=len(vocabulary), max_position_embeddings=16, **sizes)
    BertForSequenceClassification(config).save_pretrained(model)
    for name in ("train", "validation"):
        with (folder / f"{name}.csv").open("w", newline="") as file:
            rows = [(f"{a} {b}", "warm" if a == "red" else "cold") for a in WORDS for b in WORDS]
            csv.writer(file).writerows([("text", "label"), *rows])
    (folder / "job.yaml").write_text(CONFIG)
    return folder


@pytest.fixture
def job(bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config file in a working directory of its own."""
    monkeypatch.delenv("NAS_STORAGE", raising=False)
    shutil.copytree(bert, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return Path("job.yaml")


def score(model: torch.nn.Module) -> float:
    """Larger models are better; those with a single head cannot be evaluated."""
    if model.bert.encoder.layer[0].attention.self.num_attention_heads == 1:
        raise RuntimeError("one head is too few")
    return sum(parameter.numel() for parameter in model.parameters()) / 1e4


@pytest.fixture(scope="session")
def finished(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nas.db and artifacts: study `tiny` has done, failed and infeasible trials."""
    folder = tmp_path_factory.mktemp("finished")
    supernet = nas.Supernet.from_pretrained(bert / "bert", num_labels=2)
    supernet.rank("magnitude_l2")
    supernet.save(folder / "artifacts" / "tiny" / "supernet")
    study = nas.create_study(
        "tiny",
        storage=f"sqlite:///{folder / 'nas.db'}",
        supernet=supernet,
        objectives=["max score", "min num_parameters"],
        constraints=["num_parameters <= 0.6 * baseline"],
        metrics=["score"],
        sampler="random",
    )
    with study:
        study.optimize(score, 14, max_failed=14)
    return folder


@pytest.fixture
def in_finished(finished: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory is that of the finished study."""
    monkeypatch.delenv("NAS_STORAGE", raising=False)
    monkeypatch.chdir(finished)
    return finished
