"""A recovered sub-network is trained; the supernet that it comes from is not touched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from nas.data import EncodedDataset
from nas.errors import ConfigError
from nas.evaluation.dataset import evaluate
from nas.recovery import Recovered, RecoveryOptions, learner_of, recover
from nas.supernet import Supernet
from nas.training import Budget, Distillation, TrainOptions
from search_spaces import SubnetConfig

TRAINING = TrainOptions(batch_size=8, precision="float32", learning_rate=3e-3, checkpoint_seconds=0.0)
OPTIONS = RecoveryOptions(training=TRAINING)
BUDGET = Budget(passes=40)


def loss_of(supernet: Supernet, config: SubnetConfig, data: EncodedDataset, weights: Any = None) -> float:
    return evaluate(learner_of(supernet, config, weights), config, data)["loss"]


def interrupted_after(batches: int) -> Callable[..., Any]:
    """A way to make batches that fails, as by Ctrl-C, after so many."""
    original, made = EncodedDataset.batch, []

    def batch(self: EncodedDataset, *arguments: Any, **options: Any) -> Any:
        made.append(1)
        if len(made) > batches:
            raise KeyboardInterrupt
        return original(self, *arguments, **options)

    return batch


@pytest.mark.parametrize(
    "options",
    [
        OPTIONS,
        replace(OPTIONS, distillation=None),
        replace(OPTIONS, distillation=Distillation(labels=0.0, logits=1.0, hidden=0.5)),
        replace(OPTIONS, trainable="perp"),
        replace(OPTIONS, schedule="interleaved", stages=4),
    ],
    ids=["distilled", "labels", "hidden", "perp", "interleaved"],
)
def test_a_recovered_sub_network_scores_better_on_the_training_data_than_before(
    options: RecoveryOptions, trained: Supernet, target: SubnetConfig, data: EncodedDataset
) -> None:
    before = loss_of(trained, target, data)
    recovered = recover(trained, target, data, budget=BUDGET, options=options)
    assert loss_of(trained, target, data, recovered.weights) < 0.95 * before


def test_adapters_are_merged_into_the_weights(
    trained: Supernet, target: SubnetConfig, data: EncodedDataset
) -> None:
    options = replace(OPTIONS, trainable="lora")
    recovered = recover(trained, target, data, budget=BUDGET, options=options)
    assert set(recovered.weights) <= set(trained.slices(target))
    assert loss_of(trained, target, data, recovered.weights) < loss_of(trained, target, data)


def test_the_supernet_is_left_as_it_is(trained: Supernet, target: SubnetConfig, data: EncodedDataset) -> None:
    before, provenance = trained.sha256, dict(trained.provenance)
    flags = [parameter.requires_grad for parameter in trained.model.parameters()]
    recover(trained, target, data, budget=Budget(passes=2), options=OPTIONS)
    recover(trained, target, data, budget=Budget(passes=2), options=OPTIONS, from_scratch=True)
    assert trained.sha256 == before
    assert trained.provenance == provenance
    assert [parameter.requires_grad for parameter in trained.model.parameters()] == flags


def test_only_what_was_trained_is_kept_as_weights_of_its_own(
    trained: Supernet, target: SubnetConfig, data: EncodedDataset
) -> None:
    training = replace(TRAINING, frozen=("word_embeddings",))
    options = replace(OPTIONS, training=training)
    weights = recover(trained, target, data, budget=Budget(passes=2), options=options).weights
    slices = trained.slices(target)
    assert not [name for name in weights if "word_embeddings" in name]
    assert {name for name in slices if name not in weights and "embeddings" not in name} == set()
    perp = replace(OPTIONS, trainable="perp")
    few = recover(trained, target, data, budget=Budget(passes=2), options=perp).weights
    assert all(weight.ndim == 1 or "classifier" in name for name, weight in few.items())
    assert few


def test_the_report_counts_what_was_spent(
    trained: Supernet, target: SubnetConfig, data: EncodedDataset
) -> None:
    report = recover(trained, target, data, budget=Budget(passes=5), options=OPTIONS).report
    assert (report.passes, report.examples, report.teacher_passes) == (5, 40, 5)
    by_examples = recover(trained, target, data, budget=Budget(examples=24), options=OPTIONS).report
    assert (by_examples.passes, by_examples.examples) == (3, 24)


def test_a_killed_recovery_goes_on_to_the_same_weights(
    trained: Supernet,
    target: SubnetConfig,
    data: EncodedDataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def train(checkpoint: Path | None) -> Recovered:
        return recover(trained, target, data, budget=Budget(passes=9), options=OPTIONS, checkpoint=checkpoint)

    expected = train(None)
    with monkeypatch.context() as patched:
        patched.setattr(EncodedDataset, "batch", interrupted_after(4))
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "run")
    resumed = train(tmp_path / "run")
    assert 0 < resumed.report.resumed_at < 9
    assert resumed.weights.keys() == expected.weights.keys()
    assert all(torch.equal(resumed.weights[name], weight) for name, weight in expected.weights.items())


def test_training_starts_from_the_weights_that_are_given(
    trained: Supernet, target: SubnetConfig, data: EncodedDataset
) -> None:
    first = recover(trained, target, data, budget=BUDGET, options=OPTIONS)
    tiny = replace(OPTIONS, training=replace(TRAINING, learning_rate=1e-9))
    second = recover(trained, target, data, budget=Budget(passes=1), options=tiny, weights=first.weights)
    assert all(torch.allclose(second.weights[n], w, atol=1e-6) for n, w in first.weights.items())


def test_random_weights_are_drawn_anew_and_are_a_function_of_the_seed(
    trained: Supernet, target: SubnetConfig, data: EncodedDataset
) -> None:
    tiny = replace(OPTIONS, training=replace(TRAINING, learning_rate=1e-9))
    one, again = (
        recover(trained, target, data, budget=Budget(passes=1), options=tiny, from_scratch=True)
        for _ in range(2)
    )
    name = "bert.encoder.layer.0.attention.self.query.weight"
    assert torch.equal(one.weights[name], again.weights[name])
    assert one.weights[name].std() == pytest.approx(0.02, rel=0.2)  # transformers' initializer_range
    other = replace(tiny, training=replace(tiny.training, seed=1))
    different = recover(trained, target, data, budget=Budget(passes=1), options=other, from_scratch=True)
    assert not torch.equal(one.weights[name], different.weights[name])


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_decoders_recover_too(
    kind: str, make_supernet: Callable[..., Supernet], data: EncodedDataset
) -> None:
    supernet = make_supernet(kind, pad_token_id=0)
    config = supernet.space("uniform").at_fraction(0.5)
    labels = replace(OPTIONS, distillation=None)  # the full model has learnt nothing
    recovered = recover(supernet, config, data, budget=Budget(passes=30), options=labels)
    assert loss_of(supernet, config, data, recovered.weights) < loss_of(supernet, config, data)


@pytest.mark.parametrize(
    ("changes", "arguments", "message"),
    [
        ({"schedule": "interleaved"}, {"weights": True}, "set schedule to one_shot"),
        ({}, {"weights": True, "from_scratch": True}, "leave one out"),
        ({"trainable": "perp"}, {"from_scratch": True}, "needs all and one_shot"),
        ({"schedule": "interleaved"}, {"from_scratch": True}, "needs all and one_shot"),
        ({"schedule": "interleaved", "stages": 41}, {}, "together 41"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_copied(
    changes: Any,
    arguments: Any,
    message: str,
    trained: Supernet,
    target: SubnetConfig,
    data: EncodedDataset,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Supernet, "extract", None)
    if "weights" in arguments:
        arguments = arguments | {"weights": trained.slices(target)}
    with pytest.raises(ConfigError, match=message):
        recover(trained, target, data, budget=BUDGET, options=replace(OPTIONS, **changes), **arguments)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"schedule": "often"}, "allowed are one_shot, interleaved"),
        ({"trainable": "some"}, "allowed are all, lora, perp"),
        ({"stages": 0}, "at least 1"),
        ({"training": TrainOptions(trainable="perp")}, "give trainable to the recovery itself"),
    ],
)
def test_wrong_options_are_refused(wrong: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RecoveryOptions(**wrong)
