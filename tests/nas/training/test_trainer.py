"""What a training run does to a supernet, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from nas.errors import ConfigError
from nas.supernet import Supernet
from nas.training import Budget, Pass, Step, Strategy, TrainOptions, train_supernet
from nas.training.optimizer import make_optimizer, schedule, trainable_weights
from search_spaces import SubnetConfig

MakeSupernet = Callable[..., Supernet]
OPTIONS = TrainOptions(batch_size=4, precision="float32", learning_rate=1e-3)


def _train(
    supernet: Supernet, data: Any, *, passes: int = 8, options: TrainOptions = OPTIONS, **more: Any
) -> Any:
    return train_supernet(supernet, data, budget=Budget(passes=passes), options=options, **more)


def _weights(supernet: Supernet) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in supernet.model.state_dict().items()}


class _SmallThenFull(Strategy):
    """A network without the first block, then the full one."""

    name = "small_then_full"
    passes_a_step = 2

    def passes(self, step: Step) -> Sequence[Pass]:
        return [Pass(replace(step.full, layers=(None, *step.full.layers[1:]))), Pass(step.full)]


def _loss(supernet: Supernet, config: SubnetConfig, data: Any) -> float:
    batch = data.batch(range(len(data)))
    with torch.no_grad(), supernet.active(config) as model:
        logits = model(**batch.inputs).logits
    return float(torch.nn.functional.cross_entropy(logits, batch.labels))


def test_standard_training_learns_a_separable_task(make_supernet: MakeSupernet, tiny_data: Any) -> None:
    supernet, data = make_supernet(spread=0.1), tiny_data()
    before = _loss(supernet, supernet.full, data)
    options = replace(OPTIONS, learning_rate=5e-3)
    report = _train(supernet, data, passes=80, strategy="standard", options=options)
    assert _loss(supernet, supernet.full, data) < 0.1 * before
    assert report.full_loss < 0.5 * before


def test_sandwich_training_learns_the_task_in_the_smallest_sub_network_too(
    make_supernet: MakeSupernet, tiny_data: Any
) -> None:
    supernet, data = make_supernet(spread=0.1), tiny_data()
    configs = supernet.full, supernet.space("uniform").smallest()
    before = [_loss(supernet, config, data) for config in configs]
    _train(supernet, data, passes=320, options=replace(OPTIONS, learning_rate=5e-3))
    full, smallest = (_loss(supernet, config, data) for config in configs)
    assert full < 0.2 * before[0]
    assert smallest < 0.7 * before[1]


def test_training_ends_in_evaluation_mode_with_a_new_hash(
    make_supernet: MakeSupernet, tiny_data: Any
) -> None:
    supernet = make_supernet()
    before = supernet.sha256
    _train(supernet, tiny_data(), strategy="random")
    assert not any(module.training for module in supernet.model.modules())
    assert before != supernet.sha256 == Supernet.from_model(supernet.model).sha256
    assert all(parameter.grad is None for parameter in supernet.model.parameters())


def test_equal_runs_give_bit_identical_weights_and_leave_the_caller_s_generator(
    make_supernet: MakeSupernet, tiny_data: Any
) -> None:
    results = []
    for caller_seed in (1, 2):
        supernet = make_supernet()
        torch.manual_seed(caller_seed)
        state = torch.get_rng_state()
        _train(supernet, tiny_data())
        assert torch.equal(torch.get_rng_state(), state)
        results.append(_weights(supernet))
    assert all(torch.equal(results[1][name], value) for name, value in results[0].items())


def test_another_seed_gives_other_weights(make_supernet: MakeSupernet, tiny_data: Any) -> None:
    results = []
    for seed in (0, 1):
        supernet = make_supernet()
        _train(supernet, tiny_data(), options=replace(OPTIONS, seed=seed))
        results.append(supernet.sha256)
    assert results[0] != results[1]


def test_gradients_that_lay_about_do_not_count(make_supernet: MakeSupernet, tiny_data: Any) -> None:
    clean, littered = make_supernet(), make_supernet()
    for parameter in littered.model.parameters():
        parameter.grad = torch.ones_like(parameter)
    _train(clean, tiny_data())
    _train(littered, tiny_data())
    assert clean.sha256 == littered.sha256


def test_frozen_weights_stay_and_train_again_later(make_supernet: MakeSupernet, tiny_data: Any) -> None:
    supernet = make_supernet()
    supernet.model.classifier.bias.requires_grad_(False)
    before = _weights(supernet)
    _train(supernet, tiny_data(), options=replace(OPTIONS, frozen=("word_embeddings", "layer.0.")))
    for name, value in supernet.model.state_dict().items():
        is_frozen = "word_embeddings" in name or "layer.0." in name or name == "classifier.bias"
        assert torch.equal(value, before[name]) == is_frozen, name
    still_frozen = [n for n, p in supernet.model.named_parameters() if not p.requires_grad]
    assert still_frozen == ["classifier.bias"]


def test_frozen_weights_train_again_even_after_an_error(make_supernet: MakeSupernet, tiny_data: Any) -> None:
    supernet = make_supernet()
    with torch.no_grad():
        supernet.model.classifier.bias.fill_(torch.nan)
    with pytest.raises(ConfigError, match="diverged"):
        _train(supernet, tiny_data(), options=replace(OPTIONS, frozen=("word_embeddings",)))
    assert all(parameter.requires_grad for parameter in supernet.model.parameters())
    assert not supernet.model.training


@pytest.mark.parametrize(
    ("frozen", "message"),
    [
        (("word_embedings",), "no weight's name contains 'word_embedings'; names look like bert.embeddings"),
        (("bert", "classifier"), "leaves no weight to train"),
    ],
)
def test_freezing_nothing_or_everything_is_refused(
    frozen: tuple[str, ...], message: str, make_supernet: MakeSupernet
) -> None:
    with pytest.raises(ConfigError, match=message):
        trainable_weights(make_supernet().model, frozen)


def test_a_loss_that_is_not_finite_stops_before_the_weights_are_touched(
    make_supernet: MakeSupernet, tiny_data: Any
) -> None:
    supernet = make_supernet()
    with torch.no_grad():
        supernet.model.classifier.bias[0] = torch.inf
    before = _weights(supernet)
    with pytest.raises(
        ConfigError, match=r"diverged at step 0: the loss is .*lower learning_rate \(now 0.001\)"
    ):
        _train(supernet, tiny_data())
    assert all(torch.equal(value, before[name]) for name, value in supernet.model.state_dict().items())
    assert all(parameter.grad is None for parameter in supernet.model.parameters())


def test_a_later_pass_that_is_not_finite_stops_before_the_weights_are_touched(
    make_supernet: MakeSupernet, tiny_data: Any
) -> None:
    supernet = make_supernet()
    with torch.no_grad():
        supernet.model.bert.encoder.layer[0].output.dense.bias[0] = torch.nan
    before = supernet.model.classifier.weight.clone()
    with pytest.raises(ConfigError, match="the norm of the gradient nan"):
        _train(supernet, tiny_data(), strategy=_SmallThenFull())
    assert torch.equal(supernet.model.classifier.weight, before)


def test_training_a_supernet_with_gradient_checkpointing_gives_the_same_weights(
    make_supernet: MakeSupernet, tiny_data: Any
) -> None:
    results = []
    for is_checkpointed in (False, True):
        supernet = make_supernet(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
        if is_checkpointed:
            supernet.model.activation_checkpointing_enable()
        _train(supernet, tiny_data(), strategy="sandwich_kd")
        results.append(_weights(supernet))
    for name, value in results[0].items():
        torch.testing.assert_close(results[1][name], value, atol=1e-6, rtol=1e-5)  # float32 steps


def test_bfloat16_autocast_leaves_weights_and_hash_in_float32(
    make_supernet: MakeSupernet, tiny_data: Any
) -> None:
    supernet = make_supernet()
    report = _train(supernet, tiny_data(), options=replace(OPTIONS, precision="bfloat16"))
    assert np.isfinite(report.full_loss)
    assert {parameter.dtype for parameter in supernet.model.parameters()} == {torch.float32}


def test_data_with_another_number_of_labels_is_refused(make_supernet: MakeSupernet, tiny_data: Any) -> None:
    with pytest.raises(ConfigError, match="the model has num_labels=3, but the data has 2 classes"):
        _train(make_supernet(), tiny_data(num_labels=2))


def test_the_learning_rate_rises_linearly_and_falls_linearly_towards_zero() -> None:
    rates = [schedule(step, 10, 0.2) for step in range(10)]
    np.testing.assert_allclose(rates, [1 / 2, 1, *(k / 8 for k in range(8, 0, -1))])


def test_without_warm_up_the_first_step_takes_the_peak() -> None:
    assert [schedule(step, 4, 0.0) for step in range(4)] == [1.0, 1.0, 2 / 3, 1 / 3]


def test_a_single_step_takes_the_peak() -> None:
    assert schedule(0, 1, 0.1) == 1.0


def test_biases_and_norms_do_not_decay(make_supernet: MakeSupernet) -> None:
    parameters = dict(make_supernet().model.named_parameters())
    optimizer = make_optimizer(iter(parameters.values()), replace(OPTIONS, weight_decay=0.1))
    decayed = {id(p) for group in optimizer.param_groups if group["weight_decay"] for p in group["params"]}
    every = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert every == {id(p) for p in parameters.values()}
    for name, parameter in parameters.items():
        assert (id(parameter) in decayed) == (not name.endswith("bias") and "LayerNorm" not in name), name


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_size": 0},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"weight_decay": -0.1},
        {"warmup": 1.0},
        {"max_gradient_norm": 0.0},
        {"accumulate": 0},
        {"trainable": "heads"},
        {"precision": "float16"},
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"^{next(iter(wrong))} is "):
        TrainOptions(**wrong)
