"""Training works for every task."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from nas.data import EncodedDataset
from nas.data.dataset import TokenLabels
from nas.data.padding import offsets_of
from nas.errors import ConfigError
from nas.evaluation.dataset import evaluate
from nas.supernet import Supernet
from nas.tasks import head_class, task_of
from nas.training import Budget, TrainOptions, known_strategies, train_supernet

LENGTH, VOCABULARY = 6, 20
LAYOUTS: dict[str, TokenLabels] = {
    "causal-lm": "next-token",
    "masked-lm": "masked-token",
    "token-classification": "tags",
}


def _counting(task: str, examples: int = 32) -> EncodedDataset:
    """Rows that count upwards, so that every token, and its tag, follow from the others."""
    starts = np.random.default_rng(0).integers(0, VOCABULARY, examples)
    rows = (starts[:, None] + np.arange(LENGTH)) % VOCABULARY
    tokens = rows.reshape(-1).astype(np.int32)
    labels: Any = tokens if task == "causal-lm" else (tokens % 2).astype(np.int32)
    if task == "masked-lm":
        is_hidden = np.arange(len(tokens)) % LENGTH == 2
        labels = np.where(is_hidden, tokens, -100).astype(np.int32)
        tokens = np.where(is_hidden, 0, tokens).astype(np.int32)
    if task == "feature-extraction":
        labels = (starts.reshape(-1, 2)[:, 0] % 2).astype(np.float32)
    return EncodedDataset(
        tokens=tokens,
        offsets=offsets_of(np.full(examples, LENGTH)),
        token_types=None,
        labels=labels,
        label_names=("even", "odd") if task == "token-classification" else (),
        max_length=LENGTH,
        pad_token_id=0,
        padding_side="right",
        label_layout=LAYOUTS.get(task),
        rows_an_example=2 if task == "feature-extraction" else 1,
    )


def _supernet(task: str) -> Supernet:
    from transformers import AutoConfig

    torch.manual_seed(0)
    config = AutoConfig.for_model(
        "llama" if task == "causal-lm" else "bert",
        vocab_size=VOCABULARY,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=16,
        num_labels=2,
    )
    return Supernet.from_model(head_class(task_of(task), config).from_config(config), task=task)


@pytest.mark.parametrize("strategy", known_strategies())
@pytest.mark.parametrize("task", ["causal-lm", "masked-lm", "token-classification", "feature-extraction"])
def test_training_lowers_the_loss(task: str, strategy: str) -> None:
    supernet, data = _supernet(task), _counting(task)
    before = evaluate(supernet, supernet.full, data)["loss"]
    options = TrainOptions(batch_size=16, learning_rate=2e-2, precision="float32")
    train_supernet(supernet, data, strategy=strategy, budget=Budget(passes=48), options=options)
    assert evaluate(supernet, supernet.full, data)["loss"] < 0.9 * before


def test_training_on_data_of_another_task_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"task masked-lm needs data with .* masked tokens"):
        train_supernet(_supernet("masked-lm"), _counting("causal-lm"), budget=Budget(passes=4))


def test_bfloat16_passes_train_a_language_model() -> None:
    supernet, data = _supernet("causal-lm"), _counting("causal-lm")
    options = TrainOptions(batch_size=16, learning_rate=2e-2, precision="bfloat16")
    report = train_supernet(supernet, data, strategy="sandwich_kd", budget=Budget(passes=40), options=options)
    assert 0 < report.full_loss < np.log(VOCABULARY)
