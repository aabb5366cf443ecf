from __future__ import annotations

import numpy as np
import pytest
import torch

from nas.data import Texts, mask_texts, pack_texts
from nas.errors import ConfigError


def test_documents_are_closed_by_the_end_token_and_cut_into_blocks(gpt_tokenizer):
    data = pack_texts(Texts(texts=("a b c", "b", "c c c c c")), gpt_tokenizer, max_length=4)
    batch = data.batch([0, 1, 2])
    # a b c <end> | b <end> c c | c c c <end>
    assert batch.inputs["input_ids"].tolist() == [[1, 2, 3, 4], [2, 4, 3, 3], [3, 3, 3, 4]]
    assert bool(batch.inputs["attention_mask"].all())


def test_labels_of_packed_text_are_its_tokens(gpt_tokenizer):
    data = pack_texts(Texts(texts=("a b c a b",)), gpt_tokenizer, max_length=3)
    batch = data.batch([1, 0])
    assert torch.equal(batch.labels, batch.inputs["input_ids"])
    assert data.label_kind == "next-token"


def test_tokens_that_fill_no_block_are_dropped(gpt_tokenizer):
    data = pack_texts(Texts(texts=("a b c a b c a",)), gpt_tokenizer, max_length=3)
    assert len(data) == 2
    assert data.token_count == 6


def test_blank_documents_are_left_out(gpt_tokenizer):
    data = pack_texts(Texts(texts=("a", "  ", "b")), gpt_tokenizer, max_length=4)
    assert data.batch([0]).inputs["input_ids"].tolist() == [[1, 4, 2, 4]]


def test_a_limit_takes_the_same_random_blocks_every_time(gpt_tokenizer):
    texts = Texts(texts=("a b c " * 40,))
    whole = pack_texts(texts, gpt_tokenizer, max_length=5)
    some = pack_texts(texts.limit(4), gpt_tokenizer, max_length=5)
    assert len(some) == 4
    assert some.sha256 == pack_texts(texts.limit(4), gpt_tokenizer, max_length=5).sha256
    rows = {tuple(row) for row in whole.batch(range(len(whole))).inputs["input_ids"].tolist()}
    assert {tuple(row) for row in some.batch(range(4)).inputs["input_ids"].tolist()} <= rows


def test_too_little_text_for_a_block_is_refused(gpt_tokenizer):
    with pytest.raises(ConfigError, match="4 tokens, fewer than one block of 8; give more text"):
        pack_texts(Texts(texts=("a b c",)), gpt_tokenizer, max_length=8)


def test_blocks_of_one_token_are_refused(gpt_tokenizer):
    with pytest.raises(ConfigError, match="max_length is 1; it must be at least 2"):
        pack_texts(Texts(texts=("a b c",)), gpt_tokenizer, max_length=1)


def test_a_tokenizer_without_an_end_token_is_refused(bert_tokenizer):
    with pytest.raises(ConfigError, match=r"no end token .* set tokenizer.eos_token"):
        pack_texts(Texts(texts=("deep sea",)), bert_tokenizer, max_length=4)


def test_taking_blocks_takes_their_labels(gpt_tokenizer):
    data = pack_texts(Texts(texts=("a b c a b c a b",)), gpt_tokenizer, max_length=3)
    assert data.take([2, 0]).batch([0]).labels.tolist() == data.batch([2]).labels.tolist()


# Masked


@pytest.fixture
def masked(bert_tokenizer):
    texts = Texts(texts=("deep blue sea . a ship sail " * 300,))
    return mask_texts(texts, bert_tokenizer, max_length=12)


def test_a_masked_block_has_special_tokens_around_it(masked):
    ids = masked.batch(range(len(masked))).inputs["input_ids"]
    assert set(ids[:, 0].tolist()) == {2}
    assert set(ids[:, -1].tolist()) == {3}


def test_labels_are_what_was_hidden_and_nothing_else(masked, bert_tokenizer):
    batch = masked.batch(range(len(masked)))
    ids, labels = batch.inputs["input_ids"], batch.labels
    restored = torch.where(labels == -100, ids, labels)[:, 1:-1].reshape(-1)
    expected = bert_tokenizer("deep blue sea . a ship sail " * 300, add_special_tokens=False)["input_ids"]
    assert restored.tolist() == expected[: len(restored)]
    assert (labels[:, [0, -1]] == -100).all()


def test_the_shares_of_masked_tokens_are_those_of_bert(masked):
    batch = masked.batch(range(len(masked)))
    ids, labels = batch.inputs["input_ids"], batch.labels
    chosen = labels != -100
    # 2,100 tokens: four standard errors of 0.15, and of 0.8 of 315.
    assert chosen[:, 1:-1].double().mean().item() == pytest.approx(0.15, abs=0.032)
    assert (ids[chosen] == 4).double().mean().item() == pytest.approx(0.8, abs=0.1)
    assert (ids[chosen] == labels[chosen]).double().mean().item() == pytest.approx(0.1, abs=0.08)


def test_masks_depend_on_the_seed_alone(bert_tokenizer):
    texts = Texts(texts=("deep blue sea " * 50,))
    hashes = [mask_texts(texts, bert_tokenizer, max_length=12, seed=seed).sha256 for seed in (0, 0, 1)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_separators_are_never_masked(bert_tokenizer):
    texts = Texts(texts=("deep",) * 100)
    data = mask_texts(texts, bert_tokenizer, max_length=10, mask_fraction=0.9)
    batch = data.batch(range(len(data)))
    assert not np.isin(batch.labels.numpy(), [2, 3]).any()


def test_a_tokenizer_without_a_mask_token_is_refused(gpt_tokenizer):
    with pytest.raises(ConfigError, match="no mask token"):
        mask_texts(Texts(texts=("a b c",)), gpt_tokenizer, max_length=3)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -1.0])
def test_a_mask_fraction_out_of_range_is_refused(fraction, bert_tokenizer):
    with pytest.raises(ConfigError, match="mask_fraction is"):
        mask_texts(Texts(texts=("a",)), bert_tokenizer, max_length=6, mask_fraction=fraction)
