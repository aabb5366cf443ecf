from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.data import EncodedDataset
from nas.data.order import BATCHES_A_CHUNK
from nas.errors import ConfigError

LENGTHS = st.lists(st.integers(1, 12), min_size=1, max_size=40)
BATCH_SIZES = st.integers(1, 9)


def dataset(lengths: list[int], *, classes: int = 3, max_length: int = 12, side: str = "right"):
    """Example i holds its own number plus one in each token, so that tokens tell where they belong."""
    return EncodedDataset(
        tokens=np.repeat(np.arange(1, len(lengths) + 1, dtype=np.int32), lengths),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        token_types=np.ones(sum(lengths), dtype=np.int8),
        labels=np.arange(len(lengths), dtype=np.int64) % classes,
        label_names=tuple("abcdefgh"[:classes]),
        max_length=max_length,
        pad_token_id=0,
        padding_side=side,
    )


def same(left, right) -> bool:
    return (
        left.indices.tolist() == right.indices.tolist()
        and torch.equal(left.labels, right.labels)
        and all(torch.equal(left.inputs[name], right.inputs[name]) for name in left.inputs)
    )


@given(LENGTHS, BATCH_SIZES, st.sampled_from(["length", "shuffled"]), st.sampled_from(["left", "right"]))
def test_every_example_is_in_one_batch_with_its_own_tokens_and_label(lengths, batch_size, order, side):
    data = dataset(lengths, side=side)
    seen = []
    for batch in data.batches(batch_size, order=order, seed=1):
        seen.extend(batch.indices.tolist())
        rows = zip(
            batch.indices,
            batch.inputs["input_ids"],
            batch.inputs["attention_mask"],
            batch.labels,
            strict=True,
        )
        for index, ids, mask, label in rows:
            assert ids[mask.bool()].tolist() == [index + 1] * lengths[index]
            assert not ids[~mask.bool()].any()
            assert label == data.labels[index]
    assert sorted(seen) == list(range(len(lengths)))


@given(LENGTHS, BATCH_SIZES)
def test_batches_are_padded_to_their_longest_example_only(lengths, batch_size):
    for batch in dataset(lengths).batches(batch_size, order="shuffled"):
        longest = max(lengths[index] for index in batch.indices)
        assert {tensor.shape[1] for tensor in batch.inputs.values()} == {longest}


@pytest.mark.parametrize(("longest", "width"), [(3, 8), (8, 8), (9, 12)])
def test_padding_is_rounded_up_but_never_beyond_the_maximum_length(longest, width):
    batch = dataset([longest, 1]).batch([0, 1], pad_to_multiple_of=8)
    assert batch.inputs["input_ids"].shape == (2, width)


def test_padding_is_on_the_right_side_of_a_right_padded_data_set():
    inputs = dataset([2, 1]).batch([0, 1]).inputs
    assert inputs["input_ids"].tolist() == [[1, 1], [2, 0]]
    assert inputs["token_type_ids"].tolist() == [[1, 1], [1, 0]]


def test_batches_can_be_written_to_without_changing_the_data():
    data = dataset([2, 1])
    before = data.sha256
    batch = data.batch([0, 1])
    batch.inputs["input_ids"].fill_(9)
    batch.labels.fill_(2)
    assert data.take([0, 1]).sha256 == before


def test_length_order_is_longest_first_and_stable():
    batches = list(dataset([1, 3, 2, 3]).batches(2, order="length"))
    assert [batch.indices.tolist() for batch in batches] == [[1, 3], [2, 0]]


@given(LENGTHS, BATCH_SIZES, st.integers(0, 2**32), st.integers(0, 5))
def test_shuffled_batches_are_the_same_for_the_same_seed_and_epoch(lengths, batch_size, seed, epoch):
    data = dataset(lengths)
    runs = [data.batches(batch_size, order="shuffled", seed=seed, epoch=epoch) for _ in range(2)]
    assert all(same(left, right) for left, right in zip(*runs, strict=True))


@pytest.mark.parametrize("other", [{"seed": 1}, {"epoch": 1}])
def test_another_seed_or_epoch_gives_another_order(other):
    data = dataset([1] * 40)
    first, second = (
        [index for batch in data.batches(4, order="shuffled", **options) for index in batch.indices]
        for options in ({}, other)
    )
    assert first != second


def test_shuffled_batches_hold_examples_of_similar_length():
    lengths = np.random.default_rng(0).integers(1, 100, size=4 * BATCHES_A_CHUNK * 8).tolist()
    data = dataset(lengths, max_length=100)
    computed = sum(batch.inputs["input_ids"].numel() for batch in data.batches(8, order="shuffled", seed=0))
    assert computed < 1.05 * data.token_count  # random batches of 8 would compute about 1.8 times the tokens


def test_shuffled_batches_are_not_in_order_of_length():
    lengths = np.random.default_rng(0).integers(1, 100, size=400).tolist()
    widths = [
        batch.inputs["input_ids"].shape[1]
        for batch in dataset(lengths, max_length=100).batches(8, order="shuffled")
    ]
    assert widths not in (sorted(widths), sorted(widths, reverse=True))


@settings(max_examples=50)
@given(LENGTHS, BATCH_SIZES, st.integers(0, 30), st.integers(0, 9))
def test_training_resumed_at_a_step_continues_as_if_never_stopped(lengths, batch_size, step, seed):
    data = dataset(lengths)
    whole = list(itertools.islice(data.training_batches(batch_size, seed=seed), step + 5))
    resumed = list(itertools.islice(data.training_batches(batch_size, seed=seed, start_step=step), 5))
    assert all(same(left, right) for left, right in zip(whole[step:], resumed, strict=True))


def test_training_batches_are_the_shuffled_epochs_one_after_another():
    data = dataset([1, 2, 3, 4, 5])
    training = list(itertools.islice(data.training_batches(2, seed=7), 6))
    epochs = [*data.batches(2, order="shuffled", seed=7, epoch=0)]
    epochs += data.batches(2, order="shuffled", seed=7, epoch=1)
    assert all(same(left, right) for left, right in zip(training, epochs, strict=True))


def test_resuming_late_builds_no_earlier_batch(monkeypatch):
    built = []
    real = EncodedDataset.batch
    monkeypatch.setattr(EncodedDataset, "batch", lambda *args, **kw: built.append(1) or real(*args, **kw))
    next(dataset([1, 2, 3]).training_batches(2, seed=0, start_step=10**6 + 1))
    assert len(built) == 1


def test_take_gives_the_examples_in_the_order_asked_for():
    taken = dataset([2, 1, 3]).take([2, 0])
    assert taken.tokens.tolist() == [3, 3, 3, 1, 1]
    assert taken.labels.tolist() == [2, 0]


@given(LENGTHS, st.data())
def test_a_taken_example_is_unchanged(lengths, draw):
    data = dataset(lengths)
    indices = draw.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=10))
    taken = data.take(indices)
    for position, index in enumerate(indices):
        assert taken.take([position]).sha256 == data.take([index]).sha256


@pytest.mark.parametrize("num_labels", [1, 2, 4])
def test_a_model_with_another_number_of_labels_is_refused_with_both_numbers(num_labels):
    with pytest.raises(
        ConfigError, match=rf"num_labels={num_labels}, but the data has 3 classes \(a, b, c\)"
    ):
        dataset([1, 2]).check_labels(num_labels)


def test_a_model_with_the_right_number_of_labels_is_accepted():
    dataset([1, 2]).check_labels(3)


def test_a_regression_needs_one_output():
    data = dataset([1, 2], classes=1).take([0, 1])
    targets = EncodedDataset(**{**vars(data), "labels": np.zeros(2, np.float32), "label_names": ()})
    targets.check_labels(1)
    with pytest.raises(ConfigError, match="regression targets"):
        targets.check_labels(2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0, "order": "length"}, "batch_size is 0"),
        ({"batch_size": 2, "order": "random"}, "order is 'random'; allowed: length, shuffled"),
        ({"batch_size": 2, "order": "shuffled", "seed": -1}, "seed is -1"),
    ],
)
def test_wrong_options_are_refused_before_the_first_batch(options, message):
    with pytest.raises(ConfigError, match=message):
        dataset([1, 2]).batches(**options)


def test_a_negative_start_step_is_refused_before_the_first_batch():
    with pytest.raises(ConfigError, match="start_step is -1"):
        dataset([1, 2]).training_batches(2, seed=0, start_step=-1)


def test_a_multiple_below_one_is_refused():
    with pytest.raises(ConfigError, match="pad_to_multiple_of is 0"):
        dataset([1, 2]).batch([0], pad_to_multiple_of=0)
