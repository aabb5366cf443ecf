"""Batches of tokens: the cheapest plan, within bounds, every example once."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from nas.data import EncodedDataset
from nas.evaluation.batching import cheapest_plan, examples_of, planned_batches, token_budget
from nas.supernet import Supernet

MakeData = Callable[..., EncodedDataset]
LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=9)


def cost_of(widths: list[int], plan: list[Any], pass_tokens: int) -> int:
    return sum(max(widths[i] for i in rows) * len(rows) + pass_tokens for rows in plan)


@settings(max_examples=40, deadline=None)
@given(lengths=LENGTHS, pass_tokens=st.integers(0, 60))
def test_no_plan_of_neighbours_is_cheaper(lengths: list[int], pass_tokens: int) -> None:
    plan = cheapest_plan(np.array(lengths), max_tokens=90, pass_tokens=pass_tokens, max_examples=4)
    longest = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    found = []
    for cuts in product((False, True), repeat=len(lengths) - 1):
        edges = [0, *(i + 1 for i, is_cut in enumerate(cuts) if is_cut), len(lengths)]
        batches = [longest[a:b] for a, b in pairwise(edges)]
        if all(len(b) <= 4 and (len(b) == 1 or len(b) * lengths[b[0]] <= 90) for b in batches):
            found.append(cost_of(lengths, batches, pass_tokens))
    assert cost_of(lengths, plan, pass_tokens) == min(found)


@settings(max_examples=40, deadline=None)
@given(lengths=LENGTHS, max_tokens=st.integers(1, 200))
def test_batches_hold_every_example_once_and_keep_the_bounds(lengths: list[int], max_tokens: int) -> None:
    plan = cheapest_plan(np.array(lengths), max_tokens=max_tokens, pass_tokens=5, max_examples=3)
    assert sorted(np.concatenate(plan)) == list(range(len(lengths)))
    for rows in plan:
        assert len(rows) <= 3
        assert len(rows) == 1 or len(rows) * max(lengths[i] for i in rows) <= max_tokens


def test_where_a_pass_is_dear_there_are_as_few_as_can_be() -> None:
    plan = cheapest_plan(np.arange(1, 131), max_tokens=10**6, pass_tokens=2**20)
    assert len(plan) == 3


def test_a_language_models_budget_goes_by_its_vocabulary() -> None:
    model = nn.Sequential(nn.Linear(8, 32), nn.Linear(8, 4096), nn.Embedding(10**6, 1))
    assert token_budget(model) == 128 * 2**20 // (4 * 4096)


def test_one_example_is_evaluated_whatever_it_needs() -> None:
    plan = cheapest_plan(np.array([500, 400]), max_tokens=1, pass_tokens=64)
    assert [rows.tolist() for rows in plan] == [[0], [1]]


def test_indices_count_within_the_positions(supernet: Supernet, data: EncodedDataset) -> None:
    positions = np.array([40, 3, 17, 9])
    for batch in planned_batches(data, positions, "auto", supernet.model):
        for row, index in enumerate(batch.indices):
            start, stop = data.offsets[positions[index]], data.offsets[positions[index] + 1]
            tokens = batch.inputs["input_ids"][row][: stop - start]
            assert tokens.tolist() == data.tokens[start:stop].tolist()


@pytest.mark.parametrize(("batch_size", "sizes"), [(3, [3, 3, 3, 1]), (20, [10])])
def test_a_number_of_examples_is_kept_to(
    supernet: Supernet, data: EncodedDataset, batch_size: int, sizes: list[int]
) -> None:
    batches = planned_batches(data, np.arange(10), batch_size, supernet.model)
    assert [len(batch.indices) for batch in batches] == sizes


def test_short_texts_are_not_padded_to_the_longest(supernet: Supernet, make_data: MakeData) -> None:
    data = make_data([0] * 40)
    batches = list(planned_batches(data, np.arange(40), "auto", supernet.model))
    padded = sum(batch.inputs["input_ids"].numel() for batch in batches)
    assert padded < 40 * data.lengths.max()
    assert padded >= data.token_count


def test_there_are_fewer_passes_where_tokens_are_cheaper(data: EncodedDataset) -> None:
    def passes(dtype: torch.dtype) -> int:
        model = nn.Linear(8, 8, dtype=dtype)
        return len(list(planned_batches(data, np.arange(len(data)), "auto", model)))

    assert passes(torch.float32) > passes(torch.bfloat16) > 1


def test_a_fixed_number_of_examples_keeps_the_budget(data: EncodedDataset) -> None:
    wide = nn.Linear(1, 128 * 2**20 // (4 * 40))  # 40 tokens a batch, at most 20 tokens an example
    assert examples_of("auto", data, wide) == 40 // data.lengths.max()
    assert examples_of(7, data, wide) == 7
