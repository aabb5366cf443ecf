from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.data import Examples
from nas.errors import ConfigError


def make(n: int = 20, *, classes: int = 2, pairs: bool = False) -> Examples:
    return Examples(
        texts=tuple(f"text {i}" for i in range(n)),
        text_pairs=tuple(f"pair {i}" for i in range(n)) if pairs else None,
        labels=np.arange(n) % classes,
        label_names=tuple(f"class {i}" for i in range(classes)),
    )


def regression(n: int = 10) -> Examples:
    return Examples(texts=tuple("abcdefghij"[:n]), labels=np.linspace(0, 5, n), label_names=())


def test_class_labels_become_int64():
    assert make().labels.dtype == np.int64


def test_regression_labels_become_float32():
    assert regression().labels.dtype == np.float32


def test_labels_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        make().labels[0] = 1


def test_later_changes_of_the_given_array_change_nothing():
    labels = np.array([0, 1])
    examples = Examples(texts=("a", "b"), labels=labels, label_names=("no", "yes"))
    labels[0] = 1
    assert examples.labels.tolist() == [0, 1]


def test_a_view_is_copied_so_that_its_base_cannot_change_the_labels():
    base = np.array([0, 1, 1])
    view = base[:2]
    view.flags.writeable = False
    examples = Examples(texts=("a", "b"), labels=view, label_names=("no", "yes"))
    base[0] = 1
    assert examples.labels.tolist() == [0, 1]


def test_no_examples_are_refused():
    with pytest.raises(ConfigError, match="there are no examples"):
        Examples(texts=(), labels=np.array([]), label_names=("no", "yes"))


def test_lengths_that_differ_are_listed():
    with pytest.raises(ConfigError, match="2 texts, 1 labels"):
        Examples(texts=("a", "b"), labels=np.array([0]), label_names=("no", "yes"))


def test_pairs_of_another_length_are_refused():
    with pytest.raises(ConfigError, match="1 text_pairs"):
        Examples(texts=("a", "b"), text_pairs=("c",), labels=np.array([0, 1]), label_names=("no", "yes"))


@pytest.mark.parametrize("label", [-1, 2])
def test_a_label_out_of_range_is_named_with_its_row_and_what_is_allowed(label):
    with pytest.raises(ConfigError, match=rf"label {label} in row 2 .* allowed: 0 to 1 \(no, yes\)"):
        Examples(texts=("a", "b"), labels=np.array([0, label]), label_names=("no", "yes"))


def test_real_numbers_are_refused_as_classes():
    with pytest.raises(ConfigError, match="float64"):
        Examples(texts=("a",), labels=np.array([0.5]), label_names=("no", "yes"))


def test_a_regression_target_that_is_not_finite_is_refused():
    with pytest.raises(ConfigError, match="label nan in row 2"):
        Examples(texts=("a", "b"), labels=np.array([0.5, np.nan]), label_names=())


def test_repeated_label_names_are_refused():
    with pytest.raises(ConfigError, match="repeat a name"):
        Examples(texts=("a",), labels=np.array([0]), label_names=("no", "no"))


def test_half_a_surrogate_pair_is_refused_with_its_row():
    with pytest.raises(ConfigError, match="row 2 holds half a surrogate pair"):
        Examples(texts=("a", "\ud800"), labels=np.array([0, 1]), label_names=("no", "yes"))


def test_equal_contents_have_equal_hashes():
    assert make(pairs=True).sha256 == make(pairs=True).sha256


def test_the_hash_is_the_same_in_every_process_and_version():
    assert make(3).sha256 == "d90e40412620b5ae560243969f8ff60a2083895748f7484cd2b8acd3e9c61cff"


def test_the_hash_depends_on_the_order():
    assert make().take(range(20)).sha256 == make().sha256
    assert make().take(range(19, -1, -1)).sha256 != make().sha256


@pytest.mark.parametrize(
    "changed",
    [
        Examples(texts=("ab", "c"), labels=np.array([0, 1]), label_names=("no", "yes")),
        Examples(texts=("a", "bc"), labels=np.array([1, 1]), label_names=("no", "yes")),
        Examples(texts=("a", "bc"), labels=np.array([0, 1]), label_names=("no", "maybe")),
        Examples(texts=("a", "bc"), text_pairs=("", ""), labels=np.array([0, 1]), label_names=("no", "yes")),
        Examples(texts=("a", "bc"), labels=np.array([0, 1]), label_names=()),
    ],
    ids=["word boundary", "label", "label name", "empty pairs", "regression"],
)
def test_the_hash_depends_on(changed):
    base = Examples(texts=("a", "bc"), labels=np.array([0, 1]), label_names=("no", "yes"))
    assert changed.sha256 != base.sha256
    assert changed != base


def test_examples_survive_pickling():
    assert pickle.loads(pickle.dumps(make(pairs=True))) == make(pairs=True)


def test_take_keeps_texts_pairs_and_labels_together():
    taken = make(pairs=True).take([3, 0])
    assert taken.texts == ("text 3", "text 0")
    assert taken.text_pairs == ("pair 3", "pair 0")
    assert taken.labels.tolist() == [1, 0]


def test_take_refuses_a_mask():
    with pytest.raises(ConfigError, match="flatnonzero"):
        make(2).take(np.array([True, False]))


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 9))
def test_a_smaller_limit_gives_a_subset(n, smaller, seed):
    examples = make(40)
    few, many = sorted((smaller, n))
    assert len(examples.limit(many, seed)) == min(many, 40)
    assert set(examples.limit(few, seed).texts) <= set(examples.limit(many, seed).texts)


def test_limit_keeps_the_order():
    texts = make(30).limit(10, seed=1).texts
    assert list(texts) == sorted(texts, key=lambda text: int(text.split()[1]))


def test_limits_of_different_seeds_differ():
    assert make(30).limit(10, seed=1) != make(30).limit(10, seed=2)


def test_a_limit_below_one_is_refused():
    with pytest.raises(ConfigError, match="limit is 0"):
        make().limit(0)


@given(st.lists(st.integers(0, 3), min_size=8, max_size=60), st.floats(0.2, 0.8), st.integers(0, 99))
def test_a_split_is_disjoint_complete_and_stratified(labels, fraction, seed):
    examples = Examples(
        texts=tuple(f"{i}" for i in range(len(labels))),
        labels=np.array(labels),
        label_names=("a", "b", "c", "d"),
    )
    kept, held_out = examples.split(fraction, seed)
    assert sorted(kept.texts + held_out.texts) == sorted(examples.texts)
    assert len(held_out) == round(fraction * len(labels))
    for label in range(4):
        expected = fraction * labels.count(label)
        assert abs(int((held_out.labels == label).sum()) - expected) <= 1


def test_a_split_is_the_same_for_the_same_seed_only():
    assert make().split(0.5, seed=3) == make().split(0.5, seed=3)
    assert make().split(0.5, seed=3) != make().split(0.5, seed=4)


def test_a_regression_can_be_split():
    kept, held_out = regression().split(0.3)
    assert (len(kept), len(held_out)) == (7, 3)


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5])
def test_a_fraction_outside_zero_and_one_is_refused(fraction):
    with pytest.raises(ConfigError, match="between 0 and 1"):
        make().split(fraction)


def test_a_split_with_an_empty_part_is_refused():
    with pytest.raises(ConfigError, match="one part empty"):
        make(3).split(0.1)
