"""A training process that is killed, and another that goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import nas

# Strategy, trainable set and folder come as arguments; a checkpoint is written after every step.
_SCRIPT = """
import sys, time
from dataclasses import replace
from pathlib import Path
import numpy as np, torch
from transformers import AutoConfig, AutoModelForSequenceClassification
from nas.data import EncodedDataset
from nas.supernet import Supernet
from nas.training import Budget, Lora, TrainOptions, train_supernet

strategy, trainable, folder, pause = sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])
torch.set_num_threads(1)
torch.manual_seed(0)
config = AutoConfig.for_model("bert", vocab_size=40, hidden_size=24, num_hidden_layers=3,
    num_attention_heads=3, intermediate_size=20, max_position_embeddings=24, num_labels=3)
supernet = Supernet.from_model(AutoModelForSequenceClassification.from_config(config))
generator = np.random.default_rng(0)
data = EncodedDataset(tokens=generator.integers(5, 40, 60, dtype=np.int32),
    offsets=np.arange(0, 61, 6, dtype=np.int64), token_types=None, labels=generator.integers(0, 3, 10),
    label_names=("a", "b", "c"), max_length=8, pad_token_id=0, padding_side="right")
supernet.model.register_forward_hook(lambda *_: time.sleep(pause))
options = TrainOptions(batch_size=4, learning_rate=1e-2, precision="float32", deterministic=True,
    trainable=trainable, lora=Lora(rank=2, dropout=0.1), checkpoint_seconds=0.0)
report = train_supernet(supernet, data, strategy=strategy, budget=Budget(passes=40), options=options,
    checkpoint=folder)
print(supernet.sha256, report.resumed_at, report.steps, report.passes, report.examples)
"""


def _start(*arguments: str) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(Path(nas.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", _SCRIPT, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def _result(process: subprocess.Popen[str]) -> list[str]:
    printed, _ = process.communicate(timeout=240)
    assert process.returncode == 0
    return printed.split()


@pytest.mark.slow
@pytest.mark.parametrize(("strategy", "trainable"), [("sandwich_kd", "all"), ("sorted", "lora")])
def test_a_killed_run_goes_on_to_bit_equal_weights(strategy: str, trainable: str, tmp_path: Path) -> None:
    undisturbed = _start(strategy, trainable, str(tmp_path / "undisturbed"), "0")
    killed = _start(strategy, trainable, str(tmp_path / "run"), "0.1")
    deadline = time.monotonic() + 240
    while not list((tmp_path / "run" / "names").rglob("*.json")):
        assert killed.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    expected = _result(undisturbed)
    found = _result(_start(strategy, trainable, str(tmp_path / "run"), "0"))
    assert 0 < int(found[1]) < int(found[2])  # it did resume in the middle
    assert [found[0], *found[2:]] == [expected[0], *expected[2:]]
