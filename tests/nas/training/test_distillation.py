"""What taught passes lose, term by term."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from nas.errors import ConfigError
from nas.supernet import Supernet
from nas.tasks import distillation_loss
from nas.training import (
    Budget,
    Distillation,
    FixedStrategy,
    Pass,
    Teacher,
    TrainOptions,
    train_supernet,
)
from nas.training.distillation import hidden_loss
from nas.training.passes import PassRunner
from nas.training.teacher import recorded
from search_spaces import LayerUnits, SubnetConfig

MakeSupernet = Callable[..., Supernet]
HIDDEN_ONLY = Distillation(labels=0.0, logits=0.0, hidden=1.0)


def _hidden(supernet: Supernet, config: SubnetConfig, batch: Any) -> dict[int, torch.Tensor]:
    blocks = supernet.family.layers_of(supernet.model)
    with recorded(blocks, enabled=True) as states, supernet.active(config) as model:
        model(**batch.inputs)
    return states


def _gradient_norm(supernet: Supernet) -> float:
    gradients = [p.grad for p in supernet.model.parameters() if p.grad is not None]
    supernet.model.zero_grad(set_to_none=True)
    return float(torch.stack([gradient.norm() for gradient in gradients]).norm())


def test_hidden_states_are_recorded_under_the_index_in_the_full_model(
    make_supernet: MakeSupernet, tiny_batch: Any
) -> None:
    supernet = make_supernet()
    full = supernet.full
    states = _hidden(supernet, replace(full, layers=(None, *full.layers[1:])), tiny_batch())
    assert list(states) == [1, 2]
    assert not supernet.model.bert.encoder.layer[1]._forward_hooks


def test_the_last_hidden_state_is_the_one_before_the_final_norm(
    make_supernet: MakeSupernet, tiny_batch: Any
) -> None:
    supernet, batch = make_supernet("llama", pad_token_id=1), tiny_batch()
    states = _hidden(supernet, supernet.full, batch)
    model = supernet.model.model
    with torch.no_grad():
        normed = model(**batch.inputs).last_hidden_state
        torch.testing.assert_close(model.norm(states[2]), normed)


def test_hidden_losses_compare_kept_blocks_channels_and_real_tokens() -> None:
    generator = torch.Generator().manual_seed(0)
    teacher = {index: torch.randn(2, 3, 4, generator=generator) for index in range(3)}
    student = {index: teacher[index][..., [0, 2]] + index for index in (0, 2)}
    student[2][1, 2] = 100.0  # padding
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
    loss = hidden_loss(student, teacher, (0, 2), {2: mask})
    torch.testing.assert_close(loss, torch.tensor((0.0 + 4.0) / 2))


def test_the_hidden_loss_of_the_teacher_itself_is_without_gradient(
    make_supernet: MakeSupernet, tiny_batch: Any
) -> None:
    supernet = make_supernet(dtype="float64")
    runner = PassRunner(supernet, distillation=HIDDEN_ONLY, teacher=Teacher.of(supernet))
    runner.run([Pass(supernet.full)], [[tiny_batch()]])
    assert _gradient_norm(supernet) < 1e-14
    smaller = replace(supernet.full, hidden=16)
    runner.run([Pass(smaller)], [[tiny_batch()]])
    assert _gradient_norm(supernet) > 1e-3


def test_a_taught_pass_adds_its_three_terms(make_supernet: MakeSupernet, tiny_batch: Any) -> None:
    supernet, batch = make_supernet(dtype="float64"), tiny_batch()
    units = LayerUnits(heads=2, ffn=10)
    small = SubnetConfig(hidden=16, layers=(units, None, units))
    teacher = Teacher.of(supernet)
    weights = Distillation(labels=0.5, logits=2.0, hidden=3.0, temperature=2.0)
    PassRunner(supernet, distillation=weights, teacher=teacher).run([Pass(small)], [[batch]])
    name = "bert.encoder.layer.0.intermediate.dense.weight"
    found = dict(supernet.model.named_parameters())[name].grad.clone()
    supernet.model.zero_grad(set_to_none=True)

    lesson = _hidden(supernet, supernet.full, batch)
    logits = teacher.model(**batch.inputs).logits
    blocks = supernet.family.layers_of(supernet.model)
    with supernet.active(small) as model, recorded(blocks, enabled=True) as states:
        own = model(**batch.inputs).logits
        mask = dict.fromkeys(range(3), batch.inputs["attention_mask"])
        terms = (
            0.5 * torch.nn.functional.cross_entropy(own, batch.labels)
            + 2.0 * distillation_loss(own, logits, 2.0)
            + 3.0 * hidden_loss(states, lesson, 16, mask)
        )
        terms.backward()
    expected = dict(supernet.model.named_parameters())[name].grad
    torch.testing.assert_close(found, expected, atol=1e-7, rtol=1e-5)  # hidden losses are in float32


def test_recovery_by_hidden_states_brings_a_sub_network_closer_to_its_teacher(
    make_supernet: MakeSupernet, tiny_data: Any
) -> None:
    supernet, data = make_supernet(), tiny_data()
    small = supernet.space("uniform").at_fraction(0.5)
    teacher, batch = Teacher.of(supernet), data.batch(range(len(data)))
    lesson = _hidden(supernet, supernet.full, batch)
    before = hidden_loss(_hidden(supernet, small, batch), lesson, small.hidden, {})
    options = TrainOptions(batch_size=8, precision="float32", learning_rate=5e-3, distillation=HIDDEN_ONLY)
    train_supernet(
        supernet,
        data,
        strategy=FixedStrategy((small,)),
        budget=Budget(passes=40),
        options=options,
        teacher=teacher,
    )
    after = hidden_loss(_hidden(supernet, small, batch), lesson, small.hidden, {})
    assert after < 0.7 * before


def test_teachers_of_another_shape_teach_logits_alone(make_supernet: MakeSupernet, tiny_data: Any) -> None:
    supernet, other = make_supernet(), Teacher.of(make_supernet(num_hidden_layers=2))
    options = TrainOptions(batch_size=4, precision="float32")
    arguments: Any = {"strategy": "standard", "budget": Budget(passes=2), "teacher": other}
    assert train_supernet(supernet, tiny_data(), options=options, **arguments).passes == 2
    with pytest.raises(ConfigError, match=r"the teacher has 2 blocks of 24 channels, the supernet 3 of 24"):
        train_supernet(supernet, tiny_data(), options=replace(options, distillation=HIDDEN_ONLY), **arguments)


def test_a_teacher_with_other_labels_is_refused(make_supernet: MakeSupernet, tiny_data: Any) -> None:
    teacher = Teacher.of(make_supernet(num_labels=2))
    with pytest.raises(ConfigError, match="the teacher has num_labels=2, the supernet 3"):
        train_supernet(make_supernet(), tiny_data(), budget=Budget(passes=4), teacher=teacher)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"labels": -1.0}, "labels is -1.0"),
        ({"hidden": float("nan")}, "hidden is nan"),
        ({"logits": 0.0}, "logits and hidden are both 0"),
        ({"temperature": 0.0}, "temperature is 0.0"),
        ({"temperature": float("nan")}, "temperature is nan"),
    ],
)
def test_weights_out_of_range_are_refused_by_name(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=f"distillation: {message}"):
        Distillation(**wrong)
