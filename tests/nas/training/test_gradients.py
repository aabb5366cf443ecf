"""What the gradients of a step's passes add up to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from nas.supernet import Supernet
from nas.tasks import distillation_loss
from nas.training import Distillation, Pass, Step, Teacher, known_strategies, strategy_of
from nas.training.passes import PassRunner, num_items
from search_spaces import sampler_of

MakeSupernet = Callable[..., Supernet]


def _passes(name: str, supernet: Supernet) -> Sequence[Pass]:
    space, strategy = supernet.space("medium"), strategy_of(name)
    return strategy.passes(
        Step(
            number=9,
            num_steps=10,
            space=space,
            full=supernet.full,
            sampler=sampler_of("uniform", space),
            generator=np.random.default_rng(0),
            draws_before=0,
        )
    )


def _gradients(supernet: Supernet) -> dict[str, torch.Tensor]:
    found = {}
    for name, parameter in supernet.model.named_parameters():
        found[name] = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()
        parameter.grad = None
    return found


def _run(supernet: Supernet, passes: Sequence[Pass], batches: Sequence[Any], **settings: Any) -> Any:
    PassRunner(supernet, **settings).run(passes, [[batch] for batch in batches])
    return _gradients(supernet)


@pytest.mark.parametrize("name", known_strategies())
def test_the_gradient_of_a_step_is_the_sum_of_separate_gradients(
    name: str, make_supernet: MakeSupernet, tiny_data: Any
) -> None:
    supernet, temperature, data = make_supernet(dtype="float64"), 2.0, tiny_data()
    batches = [data.batch(range(4 * n, 4 * n + 4)) for n in range(strategy_of(name).batches_a_step)]
    passes = _passes(name, supernet)
    together = _run(supernet, passes, batches, distillation=Distillation(temperature=temperature))
    with torch.no_grad():
        teacher = supernet.model(**batches[0].inputs).logits
    separate = {key: torch.zeros_like(value) for key, value in together.items()}
    for one in passes:
        batch = batches[one.batch]
        with supernet.active(one.config) as model:
            logits = model(**batch.inputs).logits
        loss = functional.cross_entropy(logits, batch.labels)
        if one.target == "labels+teacher":
            loss = loss + distillation_loss(logits, teacher, temperature)
        loss.backward()
        for key, value in _gradients(supernet).items():
            separate[key] += value
    for key, value in together.items():
        # Float64 sums of four terms in another order.
        torch.testing.assert_close(value, separate[key], atol=1e-12, rtol=1e-10)


def test_the_same_network_twice_gives_twice_the_gradient(
    make_supernet: MakeSupernet, tiny_batch: Any
) -> None:
    supernet = make_supernet(dtype="float64")
    once = _run(supernet, [Pass(supernet.full)], [tiny_batch()])
    twice = _run(supernet, [Pass(supernet.full)] * 2, [tiny_batch()])
    for name, value in twice.items():
        torch.testing.assert_close(value, 2 * once[name], atol=1e-14, rtol=1e-12)


def test_distillation_from_itself_adds_no_gradient(make_supernet: MakeSupernet, tiny_batch: Any) -> None:
    supernet, full = make_supernet(dtype="float64"), make_supernet(dtype="float64").full
    with_labels = _run(supernet, [Pass(full), Pass(full)], [tiny_batch()])
    taught = _run(supernet, [Pass(full), Pass(full, "labels+teacher")], [tiny_batch()])
    for name, value in taught.items():
        torch.testing.assert_close(value, with_labels[name], atol=1e-13, rtol=1e-12)


def test_the_soft_targets_alone_give_no_gradient_to_their_teacher(
    make_supernet: MakeSupernet, tiny_batch: Any
) -> None:
    supernet = make_supernet(dtype="float64")
    full, smallest = supernet.full, supernet.space("uniform").smallest()
    soft = Distillation(labels=0.0, logits=1.0)
    taught = _run(supernet, [Pass(full), Pass(smallest, "labels+teacher")], [tiny_batch()], distillation=soft)
    alone = _run(supernet, [Pass(full)], [tiny_batch()])
    # Weights that the smallest sub-network lacks get their gradient from the full network's labels alone.
    last = "bert.encoder.layer.2.intermediate.dense.weight"
    assert 2 not in smallest.kept_layers
    torch.testing.assert_close(taught[last], alone[last], atol=1e-14, rtol=1e-12)


def test_a_batch_in_pieces_gives_the_gradient_of_the_whole(
    make_supernet: MakeSupernet, tiny_data: Any
) -> None:
    supernet, data = make_supernet(dtype="float64"), tiny_data()
    passes = _passes("sandwich_kd", supernet)
    whole = _run(supernet, passes, [data.batch(range(10))])
    pieces = [data.batch(range(3)), data.batch(range(3, 10))]
    cost = PassRunner(supernet).run(passes, [pieces])
    for name, value in _gradients(supernet).items():
        torch.testing.assert_close(value, whole[name], atol=1e-12, rtol=1e-10)
    assert (cost.passes, cost.examples) == (8, 40)


def test_a_frozen_teacher_teaches_every_pass_and_gets_no_gradient(
    make_supernet: MakeSupernet, tiny_batch: Any
) -> None:
    supernet, teacher = make_supernet(dtype="float64"), Teacher.of(make_supernet(seed=1, dtype="float64"))
    before = teacher.sha256
    batch = tiny_batch()
    found = _run(supernet, [Pass(supernet.full)], [batch], teacher=teacher)
    with torch.no_grad():
        lesson = teacher.model(**batch.inputs).logits
    logits = supernet.model(**batch.inputs).logits
    loss = functional.cross_entropy(logits, batch.labels) + distillation_loss(logits, lesson, 1.0)
    loss.backward()
    for name, value in _gradients(supernet).items():
        torch.testing.assert_close(found[name], value, atol=1e-13, rtol=1e-12)
    assert all(parameter.grad is None for parameter in teacher.model.parameters())
    assert Teacher(teacher.model).sha256 == before


def test_frozen_teachers_are_counted_apart(make_supernet: MakeSupernet, tiny_batch: Any) -> None:
    supernet = make_supernet()
    runner = PassRunner(supernet, teacher=Teacher.of(supernet))
    cost = runner.run(_passes("sandwich", supernet), [[tiny_batch()]])
    assert (cost.passes, cost.teacher_passes) == (4, 1)


@pytest.mark.parametrize(("kind", "count"), [("class", 3), ("next-token", 3), ("tags", 5)])
def test_counted_items_are_those_that_losses_are_means_over(kind: Any, count: int) -> None:
    rows = torch.tensor([[1, 2, -100], [4, 5, 6]])
    assert num_items(kind, torch.tensor([0, 1, 2]) if kind == "class" else rows) == count
