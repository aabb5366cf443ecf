"""Examples are encoded as their task needs them, and others are refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from transformers import BertTokenizerFast

from nas.data import Examples, Images, ImageSettings, TaggedTexts, TextPairs, Texts
from nas.errors import ConfigError
from nas.tasks import TASKS, Encoding, encode_for, task_of

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "deep", "sea"]
CLASSES = Examples(texts=("deep", "sea"), labels=np.array([0, 1]), label_names=("a", "b"))
NUMBERS = Examples(
    texts=("deep", "sea"), text_pairs=("sea", "sea"), labels=np.array([0.0, 1.0], np.float32), label_names=()
)
EXAMPLES: dict[str, Any] = {
    "sequence-classification": CLASSES,
    "regression": NUMBERS,
    "token-classification": TaggedTexts(words=(("deep", "sea"),), tags=((0, 1),), label_names=("a", "b")),
    "causal-lm": Texts(texts=("deep sea " * 9,)),
    "masked-lm": Texts(texts=("deep sea " * 9,)),
    "seq2seq-lm": TextPairs(sources=("deep",), targets=("sea",)),
    "feature-extraction": NUMBERS,
    "image-classification": Images(
        pixels=np.zeros((2, 4, 4), np.uint8), labels=np.array([0, 1]), label_names=("a", "b")
    ),
}


@pytest.fixture(scope="module")
def encoding() -> Encoding:
    tokenizer = BertTokenizerFast(vocab={word: i for i, word in enumerate(WORDS)}, eos_token="[SEP]")
    return Encoding(
        config=SimpleNamespace(decoder_start_token_id=2, num_labels=2),
        tokenizer=tokenizer,
        images=ImageSettings(image_size=(4, 4), mean=(0.5,), std=(0.5,)),
        max_length=8,
    )


@pytest.mark.parametrize("name", list(TASKS))
def test_a_task_s_examples_get_its_labels(name: str, encoding: Encoding) -> None:
    task = task_of(name)
    data = encode_for(task, EXAMPLES[name], encoding)
    assert data.label_kind == task.labels
    assert len(data.batch([0]).labels) == 1


@pytest.mark.parametrize("name", list(TASKS))
def test_examples_of_another_task_are_refused(name: str, encoding: Encoding) -> None:
    kinds = {type(EXAMPLES[name])}
    others = {type(one): one for one in EXAMPLES.values() if type(one) not in kinds}
    for other in others.values():
        with pytest.raises(ConfigError, match=f"task {name} does not take {type(other).__name__}"):
            encode_for(task_of(name), other, encoding)


def test_a_model_without_a_tokenizer_is_refused() -> None:
    with pytest.raises(ConfigError, match="no tokenizer beside it"):
        encode_for(task_of("causal-lm"), EXAMPLES["causal-lm"], Encoding(config=None))


def test_images_without_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="image settings are not given"):
        encode_for(task_of("image-classification"), EXAMPLES["image-classification"], Encoding(config=None))
