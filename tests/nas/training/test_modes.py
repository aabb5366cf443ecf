"""Modes that hold for one run and change nothing but time, memory or the last bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from nas.errors import ConfigError
from nas.supernet import Supernet
from nas.training import Budget, TrainOptions, train_supernet
from nas.training.modes import deterministic, gradient_checkpointing

MakeSupernet = Callable[..., Supernet]
OPTIONS = TrainOptions(batch_size=4, precision="float32", learning_rate=1e-3)
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def _trained(supernet: Supernet, data: Any, options: TrainOptions) -> dict[str, torch.Tensor]:
    train_supernet(supernet, data, strategy="sandwich_kd", budget=Budget(passes=16), options=options)
    return {name: value.clone() for name, value in supernet.model.state_dict().items()}


def _assert_close(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=1e-5, rtol=1e-4)  # float32 steps


def test_gradient_checkpointing_gives_the_same_weights(make_supernet: MakeSupernet, tiny_data: Any) -> None:
    plain = _trained(make_supernet(**NO_DROPOUT), tiny_data(), OPTIONS)
    supernet = make_supernet(**NO_DROPOUT)
    found = _trained(supernet, tiny_data(), replace(OPTIONS, gradient_checkpointing=True))
    _assert_close(found, plain)
    assert not supernet.model.is_activation_checkpointing


def test_gradient_checkpointing_runs_blocks_again_in_the_backward_pass(
    make_supernet: MakeSupernet, tiny_data: Any
) -> None:
    counts = []
    for is_checkpointed in (False, True):
        supernet, runs = make_supernet(), []
        # Hooks of the block itself stay outside the checkpoint, those of its children are inside.
        supernet.model.bert.encoder.layer[0].attention.register_forward_hook(lambda *_, r=runs: r.append(1))
        options = replace(OPTIONS, gradient_checkpointing=is_checkpointed)
        train_supernet(supernet, tiny_data(), strategy="standard", budget=Budget(passes=2), options=options)
        counts.append(len(runs))
    assert counts == [2, 4]


def test_checkpointing_that_the_user_switched_on_stays_on(make_supernet: MakeSupernet) -> None:
    model = make_supernet().model
    model.activation_checkpointing_enable()
    with gradient_checkpointing(model, enabled=True):
        pass
    assert model.is_activation_checkpointing


def test_checkpointing_of_an_architecture_without_it_is_refused(
    make_supernet: MakeSupernet, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_supernet().model
    monkeypatch.setattr(type(model), "supports_gradient_checkpointing", False)
    with pytest.raises(ConfigError, match="BertForSequenceClassification has none in transformers"):
        gradient_checkpointing(model, enabled=True).__enter__()


def test_accumulated_batches_give_the_weights_of_large_ones(
    make_supernet: MakeSupernet, tiny_data: Any
) -> None:
    data = tiny_data(num_examples=16)
    large, small = make_supernet(dtype="float64", **NO_DROPOUT), make_supernet(dtype="float64", **NO_DROPOUT)
    whole = replace(OPTIONS, batch_size=16)
    pieces = replace(OPTIONS, batch_size=4, accumulate=4)
    train_supernet(large, data, strategy="kd", budget=Budget(passes=2 * 3), options=whole)
    report = train_supernet(small, data, strategy="kd", budget=Budget(passes=2 * 3 * 4), options=pieces)
    assert (report.steps, report.passes) == (3, 24)
    for name, value in large.model.state_dict().items():
        torch.testing.assert_close(small.model.state_dict()[name], value, atol=1e-9, rtol=1e-7)


def test_hidden_distillation_works_under_checkpointing_autocast_and_accumulation_together(
    make_supernet: MakeSupernet, tiny_data: Any
) -> None:
    options = replace(
        OPTIONS,
        distillation=replace(OPTIONS.distillation, hidden=1.0),
        gradient_checkpointing=True,
        precision="bfloat16",
        accumulate=2,
    )
    report = train_supernet(
        make_supernet(), tiny_data(), strategy="kd", budget=Budget(passes=8), options=options
    )
    assert report.steps == 2
    assert np.isfinite(report.full_loss)


@pytest.mark.parametrize("before", [False, True])
def test_deterministic_mode_is_on_during_a_run_and_restored(
    before: bool, make_supernet: MakeSupernet, tiny_data: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    supernet, seen = make_supernet(), []
    supernet.model.register_forward_hook(lambda *_: seen.append(torch.are_deterministic_algorithms_enabled()))
    torch.use_deterministic_algorithms(before)
    try:
        _trained(supernet, tiny_data(), replace(OPTIONS, deterministic=True))
        assert all(seen)
        assert torch.are_deterministic_algorithms_enabled() == before
    finally:
        torch.use_deterministic_algorithms(mode=False)


def test_deterministic_mode_is_restored_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

    def fail() -> None:
        with deterministic(enabled=True):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not torch.are_deterministic_algorithms_enabled()
