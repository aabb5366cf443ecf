"""Windows of layers that change the hidden states least."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

import nas
from nas.data import Batch
from nas.importance import importance_of
from nas.importance.base import Subject
from nas.importance.ranking import best_first
from nas.importance.windows import window_order
from search_spaces import LayerShape, ModelShape

MakeSubject = Callable[..., Subject]
MakeSupernet = Callable[..., nas.Supernet]
MakeBatch = Callable[..., Batch]
AsSubject = Callable[[nas.Supernet], Subject]
LAYER = LayerShape(num_key_value_heads=1, queries_per_head=1, head_dim=1, intermediate_size=1)


def _shape(depth: int, **facts: Any) -> ModelShape:
    return ModelShape(model_type="any", hidden_size=1, layers=(LAYER,) * depth, tensors=(), **facts)


def _table(depth: int, entries: dict[tuple[int, int], float]) -> np.ndarray:
    """Distances of 1 apart from the entries."""
    table = np.ones((depth + 1, depth + 1))
    for (start, stop), value in entries.items():
        table[start, stop] = value
    return table


def _removed(name: str, subject: Subject, batch: Batch) -> list[int]:
    layers = importance_of(name).score(subject, [batch]).layers
    assert layers is not None
    return [int(layer) for layer in best_first(layers)[::-1]]


def _states(subject: Subject, batch: Batch) -> torch.Tensor:
    """BERT's hidden states, `(layers + 1, batch, sequence, hidden_size)`; its blocks end in their norms."""
    with torch.no_grad():
        return torch.stack(subject.model(**batch.inputs, output_hidden_states=True).hidden_states)


def test_a_window_grows_to_the_side_of_the_smaller_distance() -> None:
    distances = _table(5, {(2, 3): 0.1, (1, 3): 0.4, (2, 4): 0.3, (1, 4): 0.5, (2, 5): 0.6, (0, 4): 0.2})
    assert window_order([distances], _shape(5)) == [2, 3, 1, 0, 4]


def test_nested_windows_differ_from_single_layers_in_order() -> None:
    distances = _table(4, {(0, 1): 0.1, (3, 4): 0.2, (1, 2): 0.3, (0, 2): 0.5, (0, 3): 0.6})
    assert window_order([distances], _shape(4)) == [0, 1, 2, 3]


@pytest.mark.parametrize("fact", ["has_shared_heads", "has_own_first_block"])
def test_a_first_block_that_must_stay_goes_last(fact: str) -> None:
    distances = _table(4, {(0, 1): 0.1, (3, 4): 0.2, (2, 4): 0.3, (1, 4): 0.4})
    assert window_order([distances], _shape(4, **{fact: True})) == [3, 2, 1, 0]


def test_windows_stay_in_their_stack_and_empty_none() -> None:
    encoder = _table(3, {(1, 2): 0.3, (1, 3): 0.5})
    decoder = _table(2, {(1, 2): 0.4})
    order = window_order([encoder, decoder], _shape(5, num_encoder_layers=3))
    assert order == [1, 4, 2, 0, 3]


def test_stacks_of_one_layer_keep_it() -> None:
    order = window_order([_table(1, {}), _table(2, {(1, 2): 0.4})], _shape(3, num_encoder_layers=1))
    assert order == [2, 0, 1]


def test_the_angular_window_starts_at_the_smallest_angle_of_last_real_tokens(
    make_subject: MakeSubject, tiny_batch: Any
) -> None:
    subject, batch = make_subject(), tiny_batch()
    last = batch.inputs["attention_mask"].sum(dim=1) - 1
    states = _states(subject, batch)[:, torch.arange(4), last]
    angles = [
        functional.cosine_similarity(states[i], states[i + 1], dim=-1).arccos().mean() / torch.pi
        for i in range(3)
    ]
    assert all(0 <= angle <= 1 for angle in angles)
    assert _removed("angular_window", subject, batch)[0] == int(np.argmin(angles))


def test_the_cosine_window_starts_at_the_largest_mean_cosine_of_all_real_tokens(
    make_subject: MakeSubject, tiny_batch: Any
) -> None:
    subject, batch = make_subject(), tiny_batch()
    states = _states(subject, batch)
    mask = batch.inputs["attention_mask"].bool()
    cosines = [functional.cosine_similarity(states[i], states[i + 1], dim=-1)[mask].mean() for i in range(3)]
    removed = _removed("cosine_window", subject, batch)
    assert removed[0] == int(np.argmax(cosines))


@pytest.mark.parametrize("name", ["angular_window", "cosine_window"])
def test_an_identity_block_goes_first(name: str, make_subject: MakeSubject, tiny_batch: Any) -> None:
    subject = make_subject()
    block = subject.model.bert.encoder.layer[2]
    block.register_forward_hook(lambda _, args, __: args[0])
    assert _removed(name, subject, tiny_batch())[0] == 2


@pytest.mark.parametrize("name", ["angular_window", "cosine_window", "ppl_drop", "finercut", "top", "bottom"])
@pytest.mark.parametrize("kind", ["t5", "whisper", "modernbert"])
def test_what_is_dropped_first_leaves_the_blocks_that_must_stay(
    kind: str, name: str, tiny_supernet: MakeSupernet, labelled_batch: MakeBatch, as_subject: AsSubject
) -> None:
    supernet = tiny_supernet(kind)
    removed = _removed(name, as_subject(supernet), labelled_batch(supernet))
    firsts = {stack.start for stack in supernet.shape.stacks}
    assert set(removed[len(removed) - len(firsts) :]) == firsts
