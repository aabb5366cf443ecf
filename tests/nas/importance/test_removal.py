"""Layers scored by removing them one after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional
from transformers import AutoModelForQuestionAnswering

import nas
from nas.data import Batch
from nas.errors import ConfigError
from nas.importance import importance_of, rank_units
from nas.importance.base import Scores, Subject
from nas.importance.depth import greedy_order, num_trials, positions
from nas.importance.ranking import best_first
from nas.importance.removal import output_distance, without_blocks, without_sublayers
from search_spaces import SubnetConfig

MakeSupernet = Callable[..., nas.Supernet]
MakeBatch = Callable[..., Batch]
AsSubject = Callable[[nas.Supernet], Subject]


def _order(scores: np.ndarray) -> list[int]:
    return [int(unit) for unit in best_first(scores)[::-1]]


def _score(name: str, subject: Subject, batches: Sequence[Batch]) -> Scores:
    return importance_of(name).score(subject, batches)


def _outputs(supernet: nas.Supernet, config: SubnetConfig, batch: Batch) -> Any:
    """Of the extracted sub-network."""
    with torch.no_grad():
        return supernet.extract(config)(**batch.inputs)


@given(seed=st.integers(0, 1000), number=st.integers(1, 6))
def test_each_pick_is_the_best_given_those_before_it(seed: int, number: int) -> None:
    tries = []

    def losses(gone: Sequence[int], left: Sequence[int]) -> list[float]:
        tries.append(len(left))
        return [float(hash((seed, frozenset({*gone, unit}))) % 997) for unit in left]

    order = greedy_order(range(number), losses)
    assert sorted(order) == list(range(number))
    for step in range(number - 1):
        gone, left = order[:step], order[step:]
        values = losses(gone, left)
        tries.pop()
        assert values[0] == min(values)
    assert sum(tries) == num_trials(number)


def test_what_is_not_a_number_is_not_the_best() -> None:
    assert greedy_order("ab", lambda _, __: [float("nan"), 2.0]) == ["b", "a"]


def test_the_first_to_go_has_the_lowest_score() -> None:
    assert positions([2, 0, 1]).tolist() == [1.0, 2.0, 0.0]


@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_ppl_drop_removes_the_block_without_which_the_loss_is_smallest(
    kind: str, tiny_supernet: MakeSupernet, labelled_batch: MakeBatch, as_subject: AsSubject
) -> None:
    supernet = tiny_supernet(kind)
    subject = as_subject(supernet)
    batches = [labelled_batch(supernet, seed=seed) for seed in (1, 2)]

    def loss(gone: list[int]) -> float:
        total, items = 0.0, 0
        for batch in batches:
            outputs = _outputs(supernet, without_blocks(supernet.shape, gone), batch)
            losses = subject.task.example_losses(outputs, batch.labels, batch.inputs)
            total, items = total + float(losses.sums.sum()), items + int(losses.counts.sum())
        return total / items

    layers = _score("ppl_drop", subject, batches).layers
    assert layers is not None
    first, second, _ = _order(layers)
    assert first == int(np.argmin([loss([block]) for block in range(3)]))
    assert second == min({0, 1, 2} - {first}, key=lambda block: loss([first, block]))


def test_finercut_first_removes_the_sub_layer_that_changes_the_distribution_least(
    tiny_supernet: MakeSupernet, labelled_batch: MakeBatch, as_subject: AsSubject
) -> None:
    supernet = tiny_supernet("llama")
    batch = labelled_batch(supernet)
    mask = batch.inputs["attention_mask"].bool()

    def probabilities(gone: list[int]) -> torch.Tensor:
        logits = _outputs(supernet, without_sublayers(supernet.shape, gone), batch).logits
        return logits[mask].double().softmax(dim=-1)

    def divergence(p: torch.Tensor, q: torch.Tensor) -> float:
        mean = (p + q) / 2
        return float(((p * (p / mean).log()).sum() + (q * (q / mean).log()).sum()) / 2)

    full = probabilities([])
    distances = [divergence(probabilities([sublayer]), full) for sublayer in range(6)]
    sublayers = _score("finercut", as_subject(supernet), [batch]).sublayers
    assert sublayers is not None
    assert _order(sublayers)[0] == int(np.argmin(distances))
    assert sorted(sublayers) == list(range(6))


def test_a_sub_layer_that_adds_nothing_goes_first(
    tiny_supernet: MakeSupernet, labelled_batch: MakeBatch, as_subject: AsSubject
) -> None:
    supernet = tiny_supernet("llama")
    with torch.no_grad():
        supernet.model.model.layers[1].mlp.down_proj.weight.zero_()
    sublayers = _score("finercut", as_subject(supernet), [labelled_batch(supernet)]).sublayers
    assert sublayers is not None
    assert _order(sublayers)[0] == 3


def test_a_layer_scores_the_mean_of_its_sub_layers(
    tiny_supernet: MakeSupernet, labelled_batch: MakeBatch, as_subject: AsSubject
) -> None:
    supernet = tiny_supernet("gpt2")
    scores = _score("finercut", as_subject(supernet), [labelled_batch(supernet)])
    assert scores.sublayers is not None
    np.testing.assert_array_equal(scores.layers, scores.sublayers.reshape(3, 2).mean(axis=1))


@pytest.mark.parametrize("kind", ["t5", "whisper", "modernbert"])
def test_the_attention_of_first_blocks_that_must_stay_goes_last(
    kind: str, tiny_supernet: MakeSupernet, labelled_batch: MakeBatch, as_subject: AsSubject
) -> None:
    supernet = tiny_supernet(kind)
    sublayers = _score("finercut", as_subject(supernet), [labelled_batch(supernet)]).sublayers
    assert sublayers is not None
    firsts = [2 * stack.start for stack in supernet.shape.stacks]
    assert _order(sublayers)[len(sublayers) - len(firsts) :][::-1] == firsts[::-1]


def test_finercut_of_a_regression_takes_the_squared_difference(
    make_subject: Callable[..., Subject], tiny_batch: Any
) -> None:
    subject, batch = make_subject(num_labels=1), tiny_batch()
    with torch.no_grad():
        full = subject.model(**batch.inputs).logits
        distances = []
        for sublayer in range(6):
            with subject.active(without_sublayers(subject.shape, [sublayer])) as model:
                distances.append(float((model(**batch.inputs).logits - full).square().sum()))
    sublayers = _score("finercut", subject, [batch]).sublayers
    assert sublayers is not None
    assert _order(sublayers)[0] == int(np.argmin(distances))


def test_the_divergence_of_equal_outputs_is_zero_and_that_of_opposites_log_two() -> None:
    logits = torch.tensor([[50.0, -50.0], [-50.0, 50.0]], dtype=torch.float64)
    assert output_distance(logits, logits) == pytest.approx(0.0, abs=1e-15)
    assert output_distance(logits, logits.flip(0)) == pytest.approx(2 * np.log(2.0))


def test_the_divergence_is_symmetric() -> None:
    generator = torch.Generator().manual_seed(0)
    p, q = (torch.randn(3, 5, generator=generator, dtype=torch.float64) for _ in range(2))
    assert output_distance(p, q) == pytest.approx(output_distance(q, p))
    mean = (p.softmax(-1) + q.softmax(-1)) / 2
    parts = [functional.kl_div(mean.log(), x.softmax(-1), reduction="sum") for x in (p, q)]
    assert output_distance(p, q) == pytest.approx(float(sum(parts)) / 2)


def test_ppl_drop_without_labels_is_refused(
    tiny_supernet: MakeSupernet, labelled_batch: MakeBatch, as_subject: AsSubject
) -> None:
    supernet = tiny_supernet("llama")
    batch = Batch(inputs=labelled_batch(supernet).inputs, labels=None, indices=np.arange(4))
    with pytest.raises(ConfigError, match="ppl_drop needs labelled calibration data"):
        rank_units(as_subject(supernet), "ppl_drop", [batch], layer_order=(0, 1, 2))


def test_finercut_needs_no_labels(
    tiny_supernet: MakeSupernet, labelled_batch: MakeBatch, as_subject: AsSubject
) -> None:
    supernet = tiny_supernet("llama")
    labelled = labelled_batch(supernet)
    bare = Batch(inputs=labelled.inputs, labels=None, indices=labelled.indices)
    found, expected = (_score("finercut", as_subject(supernet), [b]).layers for b in (bare, labelled))
    np.testing.assert_array_equal(found, expected)


def test_a_model_whose_outputs_cannot_be_compared_is_refused(
    tiny_supernet: MakeSupernet, labelled_batch: MakeBatch
) -> None:
    source = tiny_supernet("modernbert")
    model = AutoModelForQuestionAnswering.from_config(source.model.config)
    supernet = nas.Supernet(model, task="feature-extraction")
    with pytest.raises(ConfigError, match="finercut needs a model that returns logits"):
        supernet.rank("finercut", [labelled_batch(source)])
