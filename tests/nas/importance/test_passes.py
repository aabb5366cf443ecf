"""Passes through the model: as many as declared, and shared where methods only watch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

import nas
from nas.data import Batch
from nas.importance import Cost, importance_of, known_importances, rank_units, score_units, scoring_cost
from nas.importance.base import Subject

MakeSupernet = Callable[..., nas.Supernet]
MakeBatch = Callable[..., Batch]
AsSubject = Callable[[nas.Supernet], Subject]
ACTIVATIONS = [
    "minitron",
    "flap",
    "wanda_sp",
    "block_influence",
    "contribution",
    "angular_window",
    "cosine_window",
]
GRADIENTS = ["taylor_first", "taylor_vector", "taylor_mask", "fisher_diagonal", "fisher_mask", "gblm"]


@contextmanager
def counted(model: torch.nn.Module) -> Iterator[Callable[[], Cost]]:
    """Calls of a model's forward, and gradients that reach its outputs, so far."""
    calls = {"forward": 0, "backward": 0}

    def seen(name: str) -> None:
        calls[name] += 1

    def watch(_: object, __: object, outputs: Any) -> None:
        seen("forward")
        if outputs.logits.requires_grad:
            outputs.logits.register_hook(lambda _: seen("backward"))

    handle = model.register_forward_hook(watch)
    try:
        yield lambda: Cost(**calls)
    finally:
        handle.remove()


@pytest.mark.parametrize("kind", ["bert", "llama", "t5", "whisper"])
@pytest.mark.parametrize("name", known_importances())
def test_each_method_makes_the_passes_that_it_declares(
    name: str, kind: str, tiny_supernet: MakeSupernet, labelled_batch: MakeBatch, as_subject: AsSubject
) -> None:
    supernet = tiny_supernet(kind)
    batches = [labelled_batch(supernet, seed=seed) for seed in (1, 2)]
    method = importance_of(name)
    with counted(supernet.model) as calls:
        method.score(as_subject(supernet), batches)
    assert calls() == method.cost(2, supernet.shape)
    assert (calls() == Cost()) == (not method.needs_batches)


@pytest.mark.parametrize(
    ("names", "passes"),
    [
        (ACTIVATIONS, Cost(forward=3)),
        (GRADIENTS, Cost(forward=3, backward=3)),
        ([*ACTIVATIONS, *GRADIENTS, "random", "lamp", "top"], Cost(forward=3, backward=3)),
        (["minitron", "ppl_drop"], Cost(forward=3 + 3 * (3 + 2))),
    ],
)
def test_methods_that_watch_share_one_pass(
    names: list[str],
    passes: Cost,
    tiny_supernet: MakeSupernet,
    labelled_batch: MakeBatch,
    as_subject: AsSubject,
) -> None:
    supernet = tiny_supernet("llama")
    batches = [labelled_batch(supernet, seed=seed) for seed in range(3)]
    with counted(supernet.model) as calls:
        scores = score_units(as_subject(supernet), names, batches)
    assert calls() == passes == scoring_cost(names, 3, supernet.shape)
    assert set(scores) == set(names)


def test_methods_score_the_same_together_as_alone(
    tiny_supernet: MakeSupernet, labelled_batch: MakeBatch, as_subject: AsSubject
) -> None:
    supernet = tiny_supernet("llama", dtype="float64")
    subject, batches = as_subject(supernet), [labelled_batch(supernet)]
    together = score_units(subject, [*ACTIVATIONS, *GRADIENTS], batches)
    for name, scores in together.items():
        alone = importance_of(name).score(subject, batches)
        for axis in importance_of(name).axes:
            np.testing.assert_array_equal(
                np.concatenate([np.ravel(row) for row in getattr(scores, axis)]),
                np.concatenate([np.ravel(row) for row in getattr(alone, axis)]),
            )


def test_a_ranking_says_what_it_cost(
    tiny_supernet: MakeSupernet, labelled_batch: MakeBatch, as_subject: AsSubject
) -> None:
    supernet = tiny_supernet("t5")
    with counted(supernet.model) as calls:
        ranking = rank_units(
            as_subject(supernet), "default", [labelled_batch(supernet)], layer_order=tuple(range(5))
        )
    assert ranking.cost == calls() == Cost(forward=1, backward=1)


@pytest.mark.parametrize("name", ["minitron", "fisher_mask", "ppl_drop", "finercut"])
def test_progress_is_told_to_the_end(
    name: str, tiny_supernet: MakeSupernet, labelled_batch: MakeBatch, as_subject: AsSubject
) -> None:
    supernet = tiny_supernet("llama")
    told: list[tuple[float, float]] = []

    def progress(done: float, total: float, text: str = "") -> None:
        told.append((done, total))

    importance_of(name).score(as_subject(supernet), [labelled_batch(supernet)], progress=progress)
    assert [done for done, _ in told] == list(range(1, len(told) + 1))
    assert told[-1] == (len(told), len(told))


def test_frozen_weights_are_scored_and_stay_frozen(
    tiny_supernet: MakeSupernet, labelled_batch: MakeBatch, as_subject: AsSubject
) -> None:
    trainable, frozen = tiny_supernet("llama"), tiny_supernet("llama")
    for weight in frozen.model.parameters():
        weight.requires_grad_(False)
    batch = labelled_batch(frozen)
    found = importance_of("taylor_first").score(as_subject(frozen), [batch])
    expected = importance_of("taylor_first").score(as_subject(trainable), [batch])
    np.testing.assert_array_equal(found.hidden, expected.hidden)
    assert not any(weight.requires_grad for weight in frozen.model.parameters())
