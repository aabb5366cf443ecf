"""Every task: the evaluator's figures are those of a plain loop over the extracted model."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sklearn.metrics
import torch
from scipy import stats
from torch.nn import functional

import nas
from nas.data import ArrayDataset, BatchedDataset, EncodedDataset, Images, ImageSettings, encode_images
from nas.data.dataset import TokenLabels
from nas.data.padding import offsets_of
from nas.evaluation import DatasetEvaluator, ScoreEvaluator
from nas.evaluation.dataset import evaluate
from nas.evaluation.outcome import Outcome
from nas.evaluation.precision import choose_precision, loss_error
from nas.evaluation.scoring import run
from nas.supernet import Supernet
from nas.tasks import head_class, task_of
from search_spaces import SubnetConfig

WorkerOf = Callable[[Any, Supernet], Any]
MakeNet = Callable[[str, str], Supernet]
VOCABULARY = 50
KINDS = {
    "token-classification": "bert",
    "masked-lm": "bert",
    "feature-extraction": "bert",
    "causal-lm": "llama",
}


@pytest.fixture(scope="session")
def net() -> MakeNet:
    """A supernet of a tiny random model with a task's head."""
    from transformers import AutoConfig

    def make(kind: str, task: str) -> Supernet:
        torch.manual_seed(0)
        config = AutoConfig.for_model(
            kind,
            vocab_size=VOCABULARY,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=24,
            max_position_embeddings=32,
            num_labels=3,
            **({"num_key_value_heads": 2} if kind == "llama" else {}),
        )
        model = head_class(task_of(task), config).from_config(config)
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.data.normal_(0.0, 0.3)
        return Supernet.from_model(model, task=task)

    return make


def tokens_of(
    task: str, *, examples: int = 12, kind: TokenLabels | None = None, seed: int = 0
) -> EncodedDataset:
    """Random tokens of 2 to 8 an example, with the labels of a task."""
    generator = np.random.default_rng(seed)
    rows = 2 if task == "feature-extraction" else 1
    lengths = generator.integers(2, 9, examples * rows)
    tokens = generator.integers(5, VOCABULARY, lengths.sum()).astype(np.int32)
    labels: Any = generator.integers(0, 3, lengths.sum()).astype(np.int32)
    if task == "causal-lm":
        labels = tokens
    if task == "masked-lm":
        labels = np.where(generator.random(len(tokens)) < 0.4, tokens, -100).astype(np.int32)
    if task == "feature-extraction":
        labels = generator.random(examples).astype(np.float32)
    return EncodedDataset(
        tokens=tokens,
        offsets=offsets_of(lengths),
        token_types=None,
        labels=labels,
        label_names=("O", "A", "B") if task == "token-classification" else (),
        max_length=8,
        pad_token_id=0,
        padding_side="right",
        label_layout=None if task == "feature-extraction" else kind,
        rows_an_example=rows,
    )


LAYOUTS: dict[str, TokenLabels | None] = {
    "token-classification": "tags",
    "masked-lm": "masked-token",
    "causal-lm": "next-token",
    "feature-extraction": None,
}


def data_of(task: str) -> EncodedDataset:
    return tokens_of(task, kind=LAYOUTS[task])


def plain_logits(supernet: Supernet, config: SubnetConfig, data: BatchedDataset) -> list[tuple[Any, Any]]:
    """Logits and labels of each example alone, without padding, from a model of its own."""
    model, found = supernet.extract(config), []
    with torch.no_grad():
        for index in range(len(data)):
            batch = data.batch([index])
            found.append((model(**batch.inputs).logits[0], batch.labels[0]))
    return found


def smaller(supernet: Supernet) -> SubnetConfig:
    return supernet.space("medium").sample(np.random.default_rng(2))


@pytest.mark.parametrize("batch_size", [1, 5, 12])
def test_perplexity_is_the_exponential_of_the_mean_over_all_tokens(
    batch_size: int, net: MakeNet, worker_of: WorkerOf
) -> None:
    supernet, data = net("llama", "causal-lm"), data_of("causal-lm")
    evaluator = DatasetEvaluator(data=data, precision="float32", batch_size=batch_size)
    config = smaller(supernet)
    quality = worker_of(evaluator, supernet)(config.to_json())
    nll, tokens = 0.0, 0
    for logits, labels in plain_logits(supernet, config, data):
        nll += functional.cross_entropy(logits[:-1], labels[1:], reduction="sum").item()
        tokens += len(labels) - 1
    assert quality.metrics["perplexity"] == pytest.approx(math.exp(nll / tokens), rel=1e-4)
    assert quality.metrics["loss"] == pytest.approx(nll / tokens, rel=1e-5)


def test_the_loss_of_a_masked_lm_is_that_of_its_masked_tokens(net: MakeNet, worker_of: WorkerOf) -> None:
    supernet, data = net("bert", "masked-lm"), data_of("masked-lm")
    config = smaller(supernet)
    worker = worker_of(
        DatasetEvaluator(data=data, precision="float32", metrics=("loss", "accuracy")), supernet
    )
    quality = worker(config.to_json())
    pairs = plain_logits(supernet, config, data)
    logits = torch.cat([one[labels != -100] for one, labels in pairs])
    labels = torch.cat([labels[labels != -100] for _, labels in pairs])
    assert quality.metrics["loss"] == pytest.approx(functional.cross_entropy(logits, labels).item(), rel=1e-5)
    assert quality.metrics["accuracy"] == (logits.argmax(-1) == labels).double().mean().item()


def test_tags_are_scored_token_by_token(net: MakeNet, worker_of: WorkerOf) -> None:
    supernet, data = net("bert", "token-classification"), data_of("token-classification")
    config = smaller(supernet)
    quality = worker_of(DatasetEvaluator(data=data, precision="float32", batch_size=5), supernet)(
        config.to_json()
    )
    pairs = plain_logits(supernet, config, data)
    found = torch.cat([logits.argmax(-1) for logits, _ in pairs])
    labels = torch.cat([labels for _, labels in pairs])
    expected = sklearn.metrics.f1_score(labels, found, average="macro", zero_division=0.0)
    assert quality.metrics["f1_macro"] == pytest.approx(expected)


def test_similarity_is_scored_by_the_rank_of_cosines(net: MakeNet, worker_of: WorkerOf) -> None:
    supernet, data = net("bert", "feature-extraction"), data_of("feature-extraction")
    config = smaller(supernet)
    quality = worker_of(DatasetEvaluator(data=data, precision="float32", batch_size=5), supernet)(
        config.to_json()
    )
    model, cosines = supernet.extract(config), []
    for index in range(len(data)):
        rows = np.split(data.tokens, data.offsets[1:-1])[2 * index : 2 * index + 2]
        with torch.no_grad():
            pooled = [
                model(input_ids=torch.tensor(row[None].astype(np.int64))).last_hidden_state.mean(dim=1)
                for row in rows
            ]
        cosines.append(torch.cosine_similarity(*pooled).item())
    assert quality.metrics["spearman"] == pytest.approx(stats.spearmanr(cosines, data.labels).statistic)
    errors = np.square(np.array(cosines) - data.labels)
    assert quality.metrics["loss"] == pytest.approx(errors.mean(), rel=1e-4)


@pytest.mark.parametrize("task", list(KINDS))
def test_every_task_keeps_a_loss_an_example(task: str, net: MakeNet, worker_of: WorkerOf) -> None:
    supernet, data = net(KINDS[task], task), data_of(task)
    quality = worker_of(DatasetEvaluator(data=data, precision="float32"), supernet)(supernet.full.to_json())
    assert quality.outcome.losses.shape == (len(data),)
    assert quality.outcome.losses.dtype == np.float32


METRICS: dict[str, tuple[str, ...]] = {
    "token-classification": ("f1_macro", "accuracy"),
    "masked-lm": ("loss", "accuracy"),
    "causal-lm": ("perplexity",),
    "feature-extraction": ("spearman", "mse"),
}


@pytest.mark.parametrize("task", list(KINDS))
def test_merged_stages_of_every_task_are_one_evaluation(task: str, net: MakeNet, worker_of: WorkerOf) -> None:
    supernet, data = net(KINDS[task], task), data_of(task)
    evaluator = DatasetEvaluator(data=data, precision="float32", metrics=METRICS[task], batch_size=5)
    worker, payload = worker_of(evaluator, supernet), smaller(supernet).to_json()
    parts = [worker({**payload, "examples": part}) for part in ([0, 3], [3, 7], [7, 12])]
    merged, whole = evaluator.merged(parts), worker(payload)
    assert merged.metrics == pytest.approx(whole.metrics, rel=1e-5)  # other batches, other rounding
    assert merged.outcome.counts.tolist() == whole.outcome.counts.tolist()
    np.testing.assert_allclose(merged.outcome.sums, whole.outcome.sums, rtol=1e-4)
    if whole.outcome.labels is not None:
        assert merged.outcome.labels.tolist() == whole.outcome.labels.tolist()


def test_a_language_model_scored_by_its_loss_keeps_no_predictions(net: MakeNet) -> None:
    supernet, data = net("llama", "causal-lm"), data_of("causal-lm")
    batches = data.batches(4, order="length")
    outcome = run(task_of("causal-lm"), supernet.model, batches, len(data), metrics=("perplexity",))
    assert outcome.predictions is None


@pytest.mark.parametrize("task", list(KINDS))
def test_precision_can_be_chosen_for_every_task(task: str, net: MakeNet) -> None:
    supernet, data = net(KINDS[task], task), data_of(task)
    assert choose_precision(supernet, data, 4, task_of(task).metric) in ("float32", "bfloat16")


@pytest.mark.parametrize("task", list(KINDS))
def test_a_user_s_own_score_is_accepted(task: str, net: MakeNet, worker_of: WorkerOf) -> None:
    supernet = net(KINDS[task], task)

    def score(model: Any) -> float:
        with torch.no_grad():
            outputs = model(input_ids=torch.tensor([[7, 8, 9]]))
        return float(outputs[0].float().abs().mean())

    quality = worker_of(ScoreEvaluator(score=score), supernet)(smaller(supernet).to_json())
    assert quality.metrics["score"] > 0


def test_evaluate_gives_what_the_worker_gives(net: MakeNet, worker_of: WorkerOf) -> None:
    supernet, data = net("llama", "causal-lm"), data_of("causal-lm")
    config = smaller(supernet)
    quality = worker_of(DatasetEvaluator(data=data, precision="float32"), supernet)(config.to_json())
    assert evaluate(supernet, config, data) == pytest.approx(quality.metrics)


def test_data_of_another_task_are_refused(net: MakeNet) -> None:
    with pytest.raises(nas.ConfigError, match="task causal-lm needs data with text packed into blocks"):
        DatasetEvaluator(data=data_of("masked-lm")).prepare(net("llama", "causal-lm"))


def test_a_metric_of_another_kind_is_refused(net: MakeNet) -> None:
    with pytest.raises(nas.ConfigError, match="'spearman' does not apply to task causal-lm"):
        DatasetEvaluator(data=data_of("causal-lm"), metrics=("spearman",)).prepare(net("llama", "causal-lm"))


def test_a_broken_language_model_fails_as_nan(net: MakeNet, worker_of: WorkerOf) -> None:
    supernet = net("llama", "causal-lm")
    with torch.no_grad():
        supernet.model.lm_head.weight.fill_(math.nan)
    worker = worker_of(DatasetEvaluator(data=data_of("causal-lm"), precision="float32"), supernet)
    with pytest.raises(nas.EvaluationFailedError) as raised:
        worker(supernet.full.to_json())
    assert raised.value.reason == "nan"


def test_images_are_scored_in_the_order_of_the_data() -> None:
    from transformers import ViTConfig, ViTForImageClassification

    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, image_size=8,
        patch_size=4, num_labels=3,
    )  # fmt: skip
    model = ViTForImageClassification(config).eval()
    data = _images()
    task = task_of("image-classification")
    outcomes = [
        run(task, model, data.batches(size, order="shuffled"), len(data), metrics=("accuracy",))
        for size in (2, 9)
    ]
    np.testing.assert_allclose(outcomes[0].predictions, outcomes[1].predictions, atol=1e-6)
    assert outcomes[0].labels.tolist() == data.labels.tolist()


def _images() -> ArrayDataset:
    generator = np.random.default_rng(0)
    images = Images(
        pixels=generator.integers(0, 256, (9, 8, 8), dtype=np.uint8),
        labels=generator.integers(0, 3, 9),
        label_names=("a", "b", "c"),
    )
    return encode_images(images, ImageSettings(image_size=(8, 8), mean=(0.5,) * 3, std=(0.5,) * 3))


def test_the_error_of_a_loss_is_that_of_a_mean_where_examples_count_alike() -> None:
    sums = np.array([1.0, 3.0, 2.0, 6.0])
    outcome = Outcome(sums=sums, counts=np.ones(4, np.int64), predictions=None, labels=None)
    assert loss_error(outcome) == pytest.approx(stats.sem(sums))
