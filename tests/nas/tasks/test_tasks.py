"""Each task's loss is the one that transformers' own models compute from labels."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, get_args

import pytest
import torch
from transformers import AutoConfig

from nas.config.sections import TaskName
from nas.errors import ConfigError
from nas.tasks import TASKS, head_class, task_of

HeadModel = Callable[..., Any]


def _tokens(rows: int, length: int, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(4, 40, (rows, length), generator=generator)
    mask = torch.ones_like(ids)
    mask[-1, length // 2 :] = 0
    return {"input_ids": ids, "attention_mask": mask}


def _token_labels(classes: int, shape: tuple[int, int]) -> torch.Tensor:
    labels = torch.randint(0, classes, shape, generator=torch.Generator().manual_seed(1))
    labels[0, 2], labels[-1, 3:] = -100, -100
    return labels


def _same_as_transformers(model: Any, task: str, inputs: dict[str, Any], labels: torch.Tensor) -> None:
    outputs = task_of(task).forward(model, inputs)
    own = task_of(task).loss(outputs, labels, inputs)
    torch.testing.assert_close(own, model(**inputs, labels=labels).loss, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_sequence_classification(kind: str, head_model: HeadModel) -> None:
    model = head_model(kind, "sequence-classification", num_labels=3, pad_token_id=0)
    _same_as_transformers(model, "sequence-classification", _tokens(4, 6), torch.tensor([0, 2, 1, 1]))


def test_regression(head_model: HeadModel) -> None:
    model = head_model("bert", "regression", num_labels=1, problem_type="regression")
    _same_as_transformers(model, "regression", _tokens(3, 6), torch.tensor([0.5, -1.0, 2.0]))


def test_token_classification_leaves_ignored_tokens_out(head_model: HeadModel) -> None:
    model = head_model("bert", "token-classification", num_labels=5)
    _same_as_transformers(model, "token-classification", _tokens(3, 6), _token_labels(5, (3, 6)))


def test_masked_lm_counts_masked_tokens_only(head_model: HeadModel) -> None:
    model = head_model("bert", "masked-lm")
    _same_as_transformers(model, "masked-lm", _tokens(3, 6), _token_labels(40, (3, 6)))


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_causal_lm_predicts_the_next_token(kind: str, head_model: HeadModel) -> None:
    _same_as_transformers(
        head_model(kind, "causal-lm"), "causal-lm", _tokens(3, 6), _token_labels(40, (3, 6))
    )


def test_seq2seq_lm_of_text(head_model: HeadModel) -> None:
    model = head_model("t5", "seq2seq-lm", decoder_start_token_id=0, pad_token_id=0)
    labels = _token_labels(40, (3, 5))
    shifted = model._shift_right(labels)
    _same_as_transformers(model, "seq2seq-lm", {**_tokens(3, 6), "decoder_input_ids": shifted}, labels)


def test_seq2seq_lm_of_sound(head_model: HeadModel) -> None:
    model = head_model("whisper", "seq2seq-lm")
    labels = _token_labels(40, (2, 5))
    decoder = torch.cat([torch.full((2, 1), 3), labels[:, :-1]], dim=1).masked_fill(
        torch.cat([torch.zeros(2, 1), labels[:, :-1]], dim=1) == -100, 0
    )
    features = torch.randn(2, 4, 12, generator=torch.Generator().manual_seed(0))
    inputs = {"input_features": features, "decoder_input_ids": decoder}
    _same_as_transformers(model, "seq2seq-lm", inputs, labels)


def test_image_classification(head_model: HeadModel) -> None:
    model = head_model("vit", "image-classification", num_labels=3)
    pixels = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    _same_as_transformers(model, "image-classification", {"pixel_values": pixels}, torch.tensor([0, 1, 2, 2]))


def test_feature_extraction_compares_mean_pooled_texts(head_model: HeadModel) -> None:
    model, inputs = head_model("bert", "feature-extraction"), _tokens(4, 6)
    task, scores = task_of("feature-extraction"), torch.tensor([0.3, 0.9])
    outputs = task.forward(model, inputs)
    pooled = [
        row[mask.bool()].mean(dim=0)
        for row, mask in zip(outputs.last_hidden_state, inputs["attention_mask"], strict=True)
    ]
    cosines = torch.stack([torch.cosine_similarity(pooled[i], pooled[i + 1], dim=0) for i in (0, 2)])
    items = task.align(outputs, scores, inputs)
    torch.testing.assert_close(items.predictions, cosines)
    torch.testing.assert_close(task.loss(outputs, scores, inputs), (cosines - scores).square().mean())


def test_the_summed_loss_adds_up_over_batches(head_model: HeadModel) -> None:
    model, task = head_model("gpt2", "causal-lm"), task_of("causal-lm")
    inputs, labels = _tokens(4, 6), _token_labels(40, (4, 6))
    whole = task.summed_loss(task.forward(model, inputs), labels, inputs)
    parts = []
    for rows in (slice(0, 1), slice(1, 4)):
        part = {name: tensor[rows] for name, tensor in inputs.items()}
        parts.append(task.summed_loss(task.forward(model, part), labels[rows], part))
    torch.testing.assert_close(sum(parts), whole)


def test_distillation_leaves_ignored_positions_out(head_model: HeadModel) -> None:
    task, inputs = task_of("token-classification"), _tokens(2, 6)
    student = head_model("bert", "token-classification", num_labels=5)
    outputs = task.forward(student, inputs)
    teacher = type(outputs)(logits=outputs.logits.clone())
    labels = torch.full((2, 6), -100)
    labels[0, 1] = 3
    teacher.logits[labels == -100] += 5 * torch.arange(5)
    loss = task.distillation_loss(outputs, teacher, labels, inputs, temperature=1.0)
    assert loss.item() == 0
    teacher.logits[0, 1, 0] += 1
    assert task.distillation_loss(outputs, teacher, labels, inputs, temperature=1.0) > 0


def test_no_cache_of_keys_and_values_is_kept(head_model: HeadModel) -> None:
    outputs = task_of("causal-lm").forward(head_model("llama", "causal-lm"), _tokens(2, 4))
    assert outputs.past_key_values is None


def test_numbers_of_the_input_take_the_model_s_precision(head_model: HeadModel) -> None:
    model = head_model("vit", "image-classification").to(torch.bfloat16)
    outputs = task_of("image-classification").forward(model, {"pixel_values": torch.zeros(1, 3, 8, 8)})
    assert outputs.logits.dtype == torch.bfloat16


def test_a_model_without_a_head_is_refused(head_model: HeadModel) -> None:
    model, inputs = head_model("bert", "feature-extraction"), _tokens(2, 4)
    outputs = task_of("masked-lm").forward(model, inputs)
    with pytest.raises(ConfigError, match="without logits, so labels of kind 'masked-token'"):
        task_of("masked-lm").loss(outputs, _token_labels(40, (2, 4)), inputs)


def test_a_head_of_another_task_is_refused(head_model: HeadModel) -> None:
    model, inputs = head_model("bert", "sequence-classification"), _tokens(2, 4)
    outputs = task_of("token-classification").forward(model, inputs)
    with pytest.raises(ConfigError, match=r"logits have shape \(2, 2\), the labels \(2, 4\)"):
        task_of("token-classification").loss(outputs, _token_labels(2, (2, 4)), inputs)


@pytest.mark.parametrize(
    ("kind", "task", "allowed"),
    [
        ("llama", "masked-lm", "causal-lm"),
        ("vit", "causal-lm", "image-classification"),
        ("bert", "seq2seq-lm", "masked-lm"),
    ],
)
def test_a_task_without_a_head_for_the_model_is_refused(kind: str, task: str, allowed: str) -> None:
    with pytest.raises(ConfigError, match=f"task '{task}' has no head for model type '{kind}'.*{allowed}"):
        head_class(task_of(task), AutoConfig.for_model(kind))


def test_sound_takes_the_class_of_speech() -> None:
    found = head_class(task_of("seq2seq-lm"), AutoConfig.for_model("whisper"))
    assert found.__name__ == "AutoModelForSpeechSeq2Seq"


@pytest.mark.parametrize("name", list(TASKS))
def test_every_task_s_default_metric_applies_to_it(name: str) -> None:
    task = task_of(name)
    assert task.metric_of(task.metric).direction == task.direction


@pytest.mark.parametrize(
    ("task", "name"),
    [("causal-lm", "spearman"), ("regression", "accuracy"), ("image-classification", "perplexity")],
)
def test_a_metric_of_another_kind_is_refused(task: str, name: str) -> None:
    with pytest.raises(ConfigError, match=f"metric '{name}' does not apply to task {task}"):
        task_of(task).metric_of(name)


def test_an_unknown_task_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"unknown task 'causal_lm'.*did you mean causal-lm"):
        task_of("causal_lm")


@pytest.mark.parametrize("name", list(TASKS))
def test_a_task_survives_pickling(name: str) -> None:
    assert pickle.loads(pickle.dumps(task_of(name))) == task_of(name)


def test_every_task_can_be_configured() -> None:
    assert set(get_args(TaskName)) == set(TASKS)
