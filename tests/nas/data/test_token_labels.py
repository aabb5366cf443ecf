from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nas.data import Examples, TaggedTexts, TextPairs, encode_sentence_pairs, encode_tagged, encode_targets
from nas.errors import ConfigError

TAGGED = TaggedTexts(
    words=(("deep", "seas", "."), ("ships",), ("a", "blue", "sailing", "ship")),
    tags=((0, 1, 0), (2,), (0, 0, 1, 2)),
    label_names=("O", "WATER", "SHIP"),
)
PAIRS = TextPairs(sources=("a b c", "d"), targets=("c b", "d d d"))


def test_the_first_token_of_a_word_carries_its_tag(bert_tokenizer):
    batch = encode_tagged(TAGGED, bert_tokenizer, max_length=16).batch([0, 2])
    # [CLS] deep sea ##s . [SEP] | [CLS] a blue sail ##ing ship [SEP]
    assert batch.inputs["input_ids"][0].tolist() == [2, 5, 6, 7, 13, 3, 0]
    assert batch.labels.tolist() == [
        [-100, 0, 1, -100, 0, -100, -100],
        [-100, 0, 0, 1, -100, 2, -100],
    ]


def test_words_beyond_the_length_lose_their_tags(bert_tokenizer):
    batch = encode_tagged(TAGGED, bert_tokenizer, max_length=4).batch([2])
    assert batch.labels.tolist() == [[-100, 0, 0, -100]]


def test_taking_sentences_takes_their_tags(bert_tokenizer):
    data = encode_tagged(TAGGED, bert_tokenizer, max_length=16)
    taken = data.take([2, 1])
    assert taken.batch([1, 0]).labels.tolist() == data.batch([1, 2]).labels.tolist()
    assert taken.sha256 != data.sha256


def test_tags_are_padded_on_the_side_of_the_tokens(bert_tokenizer):
    data = replace(encode_tagged(TAGGED, bert_tokenizer, max_length=16), padding_side="left")
    batch = data.batch([0, 2])
    assert batch.labels[0].tolist() == [-100, -100, 0, 1, -100, 0, -100]


def test_other_tags_give_another_hash(bert_tokenizer):
    other = TaggedTexts(
        words=TAGGED.words, tags=((1, 1, 0), *TAGGED.tags[1:]), label_names=TAGGED.label_names
    )
    hashes = {encode_tagged(one, bert_tokenizer, max_length=16).sha256 for one in (TAGGED, other)}
    assert len(hashes) == 2


@pytest.mark.parametrize(
    ("words", "tags", "message"),
    [
        ((("deep", "sea"),), ((0,),), "sentence 1 has 2 words and 1 tags"),
        ((("deep",),), ((3,),), "tag number 3; allowed: 0 to 2"),
        ((), (), "no sentences"),
    ],
)
def test_words_and_tags_that_do_not_fit_are_refused(words, tags, message):
    with pytest.raises(ConfigError, match=message):
        TaggedTexts(words=words, tags=tags, label_names=("O", "WATER", "SHIP"))


# Targets


def test_targets_are_labels_and_shifted_to_the_right_decoder_inputs(t5_tokenizer):
    data = encode_targets(PAIRS, t5_tokenizer, max_length=8, decoder_start_token_id=0)
    batch = data.batch([0, 1])
    assert batch.inputs["input_ids"].tolist() == [[3, 4, 5, 1], [6, 1, 0, 0]]
    assert batch.labels.tolist() == [[5, 4, 1, -100], [6, 6, 6, 1]]
    assert batch.inputs["decoder_input_ids"].tolist() == [[0, 5, 4, 1], [0, 6, 6, 6]]


def test_targets_have_a_length_of_their_own(t5_tokenizer):
    data = encode_targets(PAIRS, t5_tokenizer, max_length=8, max_target_length=3, decoder_start_token_id=0)
    assert data.batch([1]).labels.tolist() == [[6, 6, 1]]


def test_a_start_token_that_the_tokenizer_writes_is_no_label(bert_tokenizer):
    pairs = TextPairs(sources=("deep",), targets=("blue",))
    data = encode_targets(pairs, bert_tokenizer, max_length=8, decoder_start_token_id=2)
    batch = data.batch([0])
    assert batch.labels.tolist() == [[8, 3]]
    assert batch.inputs["decoder_input_ids"].tolist() == [[2, 8]]


def test_taking_examples_takes_their_targets(t5_tokenizer):
    data = encode_targets(PAIRS, t5_tokenizer, max_length=8, decoder_start_token_id=0)
    assert data.take([1]).batch([0]).labels.tolist() == [[6, 6, 6, 1]]
    assert data.take([-1]).sha256 == data.take([1]).sha256


def test_a_model_without_a_start_token_is_refused(t5_tokenizer):
    with pytest.raises(ConfigError, match="decoder_start_token_id is None"):
        encode_targets(PAIRS, t5_tokenizer, max_length=8, decoder_start_token_id=None)


# Pairs to compare


def scored(scores: list[float]) -> Examples:
    return Examples(
        texts=("deep sea", "a"),
        text_pairs=("blue", "a ship ."),
        labels=np.array(scores, np.float32),
        label_names=(),
    )


def test_the_two_texts_of_a_pair_follow_one_another(bert_tokenizer):
    batch = encode_sentence_pairs(scored([1.0, 0.5]), bert_tokenizer, max_length=8).batch([1, 0])
    assert batch.inputs["input_ids"].tolist() == [
        [2, 10, 3, 0, 0],
        [2, 10, 9, 13, 3],
        [2, 5, 6, 3, 0],
        [2, 8, 3, 0, 0],
    ]
    assert batch.labels.tolist() == [0.5, 1.0]


def test_a_pair_is_as_long_as_its_longer_text(bert_tokenizer):
    data = encode_sentence_pairs(scored([1.0, 0.5]), bert_tokenizer, max_length=8)
    assert len(data) == 2
    assert data.lengths.tolist() == [4, 5]
    assert data.take([1]).lengths.tolist() == [5]


def test_scores_beyond_a_cosine_are_refused(bert_tokenizer):
    with pytest.raises(ConfigError, match="a score is 5; a cosine lies between"):
        encode_sentence_pairs(scored([1.0, 5.0]), bert_tokenizer, max_length=8)
