"""Scores from weights alone beyond the Euclidean norm."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from nas.importance import importance_of
from nas.importance.base import Subject
from nas.importance.ranking import best_first
from nas.importance.weights import lamp

MakeSubject = Callable[..., Subject]


def test_l1_is_the_sum_of_absolute_weights_coupled_to_a_unit(make_subject: MakeSubject) -> None:
    subject = make_subject()
    block = subject.model.bert.encoder.layer[0]
    dense = block.intermediate.dense
    neuron = [dense.weight[4], dense.bias[4:5], block.output.dense.weight[:, 4]]
    expected = sum(float(weight.detach().abs().sum()) for weight in neuron)
    scores = importance_of("magnitude_l1").score(subject, ())
    assert scores.ffn is not None
    np.testing.assert_allclose(scores.ffn[0][4], expected, rtol=1e-12)


def test_l1_and_l2_order_units_of_many_small_and_few_large_weights_differently(
    make_subject: MakeSubject,
) -> None:
    subject = make_subject()
    dense = subject.model.bert.encoder.layer[1].intermediate.dense
    with torch.no_grad():
        for weight in (dense.weight, dense.bias, subject.model.bert.encoder.layer[1].output.dense.weight):
            weight.zero_()
        dense.weight[0] = 0.5  # 24 weights: sum 12, norm 2.4
        dense.weight[1, 0] = 5.0  # sum and norm 5
    first = {}
    for name in ("magnitude_l1", "magnitude_l2"):
        ffn = importance_of(name).score(subject, ()).ffn
        assert ffn is not None
        first[name] = int(best_first(ffn[1])[0])
    assert first == {"magnitude_l1": 0, "magnitude_l2": 1}


def test_lamp_is_a_share_of_all_that_is_not_smaller() -> None:
    assert lamp(np.array([1.0, 3.0, 4.0])).tolist() == [1 / 8, 3 / 7, 1.0]
    assert lamp(np.array([2.0, 2.0, 0.0])).tolist() == [0.5, 0.5, 0.0]


@given(squares=st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=8))
def test_lamp_keeps_the_order_and_gives_the_largest_one(squares: list[float]) -> None:
    values = np.array(squares)
    scores = lamp(values)
    order = np.argsort(values, kind="stable")
    assert (np.diff(scores[order]) >= 0).all()
    if (values == values.max()).sum() == 1:
        assert scores.max() == 1.0


def test_lamp_compares_layers_by_shares_not_by_size(make_subject: MakeSubject) -> None:
    subject = make_subject()
    before = importance_of("lamp").score(subject, ())
    with torch.no_grad():
        for name, weight in subject.model.named_parameters():
            if "layer.1." in name:
                weight.mul_(10.0)
    after = importance_of("lamp").score(subject, ())
    np.testing.assert_allclose(after.ffn, before.ffn, rtol=1e-9)
    np.testing.assert_allclose(after.heads, before.heads, rtol=1e-9)
