"""The order of examples: fair prefixes, the same everywhere."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.data import EncodedDataset
from nas.evaluation.example_order import stratified_order

MakeData = Callable[..., EncodedDataset]


@settings(max_examples=30, deadline=None)
@given(labels=st.lists(st.integers(0, 1), min_size=1, max_size=120))
def test_every_prefix_has_both_classes_in_proportion(make_data: MakeData, labels: list[int]) -> None:
    share = np.mean(labels)
    ordered = np.asarray(labels)[stratified_order(make_data(labels))]
    sizes = np.arange(1, len(labels) + 1)
    assert (np.abs(np.cumsum(ordered) - share * sizes) <= 1).all()  # rounding to whole examples


@settings(max_examples=30, deadline=None)
@given(labels=st.lists(st.floats(-5, 5), min_size=1, max_size=60))
def test_the_order_has_every_example_once(make_data: MakeData, labels: list[float]) -> None:
    assert sorted(stratified_order(make_data(labels))) == list(range(len(labels)))


def test_a_prefix_of_numbers_spans_their_range(make_data: MakeData) -> None:
    labels = [float(number) for number in range(200)]
    first = stratified_order(make_data(labels))[:20]
    assert np.histogram(first, bins=10, range=(0, 200))[0].tolist() == [2] * 10


def test_examples_of_a_class_are_shuffled(data: EncodedDataset) -> None:
    order = stratified_order(data)
    ones = order[data.labels[order] == 1]
    assert ones.tolist() != sorted(ones)


def test_the_order_is_a_function_of_the_data(make_data: MakeData) -> None:
    one, same = (stratified_order(make_data([0, 1, 1] * 20)) for _ in range(2))
    assert one.tolist() == same.tolist()


@pytest.mark.parametrize("examples", [10, 50])
def test_rare_classes_come_in_the_middle(make_data: MakeData, examples: int) -> None:
    order = stratified_order(make_data([1] + [0] * (examples - 1)))
    assert abs(order.tolist().index(0) - examples // 2) <= 1
