"""What workers share: texts are tokenised and ordered by the driver, batches are made once a worker."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from transformers import BertTokenizer

import nas
from nas.data import EncodedDataset
from nas.evaluation import DatasetEvaluator, arrays_of, skeleton_of
from nas.supernet import Supernet

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A number for each call of a tokenizer."""
    found: list[int] = []
    own = BertTokenizer.__call__

    def counted(self: Any, texts: Any, *args: Any, **options: Any) -> Any:
        found.append(len(texts))
        return own(self, texts, *args, **options)

    monkeypatch.setattr(BertTokenizer, "__call__", counted)
    return found


def test_workers_do_not_tokenise(supernet: Supernet, calls: list[int]) -> None:
    tokenizer = BertTokenizer(vocab={word: index for index, word in enumerate(WORDS)})
    texts = tuple(" ".join(WORDS[5:][: 1 + i % 3]) for i in range(12))
    examples = nas.Examples(texts=texts, labels=np.arange(12) % 2, label_names=("no", "yes"))
    data = nas.encode(examples, tokenizer, max_length=8)
    once = list(calls)
    assert once
    evaluator = DatasetEvaluator(data=data, precision="float32").prepare(supernet)
    sent = pickle.dumps(evaluator.factory(skeleton_of(supernet)))
    for _ in range(2):
        worker = pickle.loads(sent)(arrays_of(supernet))
        assert worker(supernet.full.to_json()).examples == 12
    assert calls == once


def test_the_batches_of_a_part_are_made_once(
    supernet: Supernet, data: EncodedDataset, worker_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = worker_of(DatasetEvaluator(data=data, precision="float32"), supernet)
    task = {**supernet.full.to_json(), "examples": [0, 16]}
    worker(task)

    def fail(*_: Any, **__: Any) -> Any:
        raise AssertionError("a batch was made again")

    monkeypatch.setattr(EncodedDataset, "batch", fail)
    assert worker(task).examples == 16
