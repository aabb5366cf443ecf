from __future__ import annotations

import math
import pickle
import sys
import warnings

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics

from nas.errors import ConfigError, EvaluationFailedError
from nas.metrics import METRICS, compute, loss_value, metric, metric_values

CLASSIFICATION = [name for name, known in METRICS.items() if known.kind == "classification"]
REGRESSION = [name for name, known in METRICS.items() if known.kind == "regression"]


def logits_of(classes, num_labels=2):
    return np.eye(num_labels)[np.asarray(classes)]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("name", "num_labels", "expected"),
    [
        ("accuracy", 4, sklearn.metrics.accuracy_score),
        ("f1", 2, sklearn.metrics.f1_score),
        ("f1_macro", 4, lambda labels, found: sklearn.metrics.f1_score(labels, found, average="macro")),
        ("matthews_correlation", 4, sklearn.metrics.matthews_corrcoef),
    ],
)
def test_classification_scores_are_those_of_scikit_learn(name, num_labels, expected, seed):
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(60, num_labels)).astype(np.float32)
    labels = generator.integers(0, num_labels, size=60)
    assert compute(name, logits, labels) == expected(labels, logits.argmax(axis=1))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mse", sklearn.metrics.mean_squared_error),
        ("pearson", lambda labels, found: scipy.stats.pearsonr(labels, found).statistic),
        ("spearman", lambda labels, found: scipy.stats.spearmanr(labels, found).statistic),
    ],
)
def test_regression_scores_are_those_of_scikit_learn_and_scipy(name, expected, seed):
    generator = np.random.default_rng(seed)
    labels, found = generator.normal(size=(2, 60))
    assert compute(name, found[:, None], labels) == expected(labels, found)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", 4 / 6),
        ("f1", 2 * 3 / (2 * 3 + 1 + 1)),  # 3 true positives, 1 false positive, 1 false negative
        ("f1_macro", (6 / 8 + 2 / 4) / 2),
        ("matthews_correlation", (3 * 1 - 1 * 1) / math.sqrt(4 * 4 * 2 * 2)),
    ],
)
def test_classification_scores_of_a_case_by_hand(name, expected):
    labels = np.array([1, 1, 1, 1, 0, 0])
    assert compute(name, logits_of([1, 1, 1, 0, 1, 0]), labels) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("mse", (0 + 0 + 1 + 1) / 4), ("spearman", 1 - 6 * 2 / (4 * 15)), ("pearson", 4 / 5)],
)
def test_regression_scores_of_a_case_by_hand(name, expected):
    value = compute(name, np.array([1.0, 2.0, 4.0, 3.0]), np.array([1.0, 2.0, 3.0, 4.0]))
    assert value == pytest.approx(expected, abs=1e-12)


def test_class_predictions_are_scored_like_their_logits():
    labels = np.array([1, 0, 1])
    assert compute("accuracy", np.array([1, 1, 1]), labels) == compute(
        "accuracy", logits_of([1, 1, 1]), labels
    )


@pytest.mark.parametrize("name", CLASSIFICATION)
@pytest.mark.parametrize("constant", [0, 1])
def test_one_predicted_class_gives_a_score_in_range_without_a_warning(name, constant):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = compute(name, logits_of([constant] * 4), np.array([0, 1, 1, 0]))
    assert metric(name).lower <= value <= metric(name).upper


@pytest.mark.parametrize("name", CLASSIFICATION)
def test_one_label_gives_a_score_in_range_without_a_warning(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = compute(name, logits_of([0, 0]), np.array([0, 0]))
    assert metric(name).lower <= value <= metric(name).upper


@pytest.mark.parametrize("name", ["spearman", "pearson"])
@pytest.mark.parametrize(("found", "labels"), [([3, 3, 3], [1, 2, 3]), ([1, 2, 3], [3, 3, 3])])
def test_a_correlation_with_a_constant_is_zero_without_a_warning(name, found, labels):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compute(name, np.array(found, dtype=float), np.array(labels, dtype=float)) == 0.0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", CLASSIFICATION + REGRESSION)
def test_outputs_that_are_not_finite_fail_the_evaluation(name, bad):
    outputs = logits_of([0, 1, 1]) if name in CLASSIFICATION else np.array([0.0, 1.0, 2.0])
    outputs.flat[1] = bad
    with pytest.raises(EvaluationFailedError, match=r"1 of \d model outputs are not finite") as caught:
        compute(name, outputs, np.array([0, 1, 1]))
    assert caught.value.reason == "nan"


def test_a_score_that_overflows_fails_the_evaluation():
    with pytest.raises(EvaluationFailedError) as caught:
        compute("mse", np.array([1e300, 0.0]), np.array([0.0, 1.0]))
    assert caught.value.reason == "nan"


@pytest.mark.parametrize("name", CLASSIFICATION + REGRESSION)
def test_perfect_predictions_reach_the_better_end_of_the_range(name):
    known = metric(name)
    labels = np.array([0, 1, 1, 0])
    outputs = logits_of(labels) if known.kind == "classification" else labels.astype(float)
    best = known.upper if known.direction == "max" else known.lower
    assert compute(name, outputs, labels) == pytest.approx(best)


@pytest.mark.parametrize("name", [name for name in METRICS if METRICS[name].lower < 0])
def test_opposite_predictions_reach_the_worse_end_of_the_range(name):
    labels = np.array([0, 1, 1, 0])
    outputs = logits_of(1 - labels) if name in CLASSIFICATION else 1.0 - labels
    assert compute(name, outputs, labels) == pytest.approx(-1.0)


def test_several_scores_come_by_name_in_the_given_order():
    values = metric_values(["f1", "accuracy"], logits_of([1, 0]), np.array([1, 1]))
    assert list(values.items()) == [("f1", pytest.approx(2 / 3)), ("accuracy", 0.5)]


def test_scores_are_plain_floats():
    assert all(type(compute(name, logits_of([1, 0]), np.array([1, 1]))) is float for name in CLASSIFICATION)


def test_an_unknown_metric_is_refused_with_the_nearest_one():
    with pytest.raises(ConfigError, match="did you mean accuracy"):
        metric("acuracy")


def test_f1_of_more_than_two_classes_is_refused():
    with pytest.raises(ConfigError, match="choose f1_macro"):
        compute("f1", logits_of([0, 1, 2], 3), np.array([0, 1, 2]))


@pytest.mark.parametrize(
    ("outputs", "labels"),
    [
        (np.zeros((3, 2)), np.zeros(2, int)),
        (np.zeros((0, 2)), np.zeros(0, int)),
        (np.zeros((2, 2)), np.zeros((2, 1))),
        (np.float64(1.0), np.zeros(1, int)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(outputs, labels):
    with pytest.raises(ConfigError, match="give one label for each row"):
        compute("accuracy", outputs, labels)


@pytest.mark.parametrize("outputs", [np.zeros(2), np.zeros((2, 1)), np.zeros((2, 3, 4))])
def test_outputs_without_classes_are_refused_for_classification(outputs):
    with pytest.raises(ConfigError, match="for a regression choose"):
        compute("accuracy", outputs, np.array([0, 1]))


def test_logits_of_classes_are_refused_for_regression():
    with pytest.raises(ConfigError, match="one number for each example"):
        compute("mse", logits_of([0, 1]), np.array([0.0, 1.0]))


def test_a_perplexity_is_that_of_the_mean_over_all_tokens():
    sums, counts = np.array([2.0, 1.0, 0.0]), np.array([3, 1, 0])
    assert loss_value("loss", sums, counts) == 3 / 4
    assert loss_value("perplexity", sums, counts) == pytest.approx(math.exp(3 / 4))


def test_smaller_losses_are_better():
    assert {metric(name).direction for name in ("loss", "perplexity", "mse")} == {"min"}


def test_a_loss_that_is_not_finite_fails_as_nan():
    with pytest.raises(EvaluationFailedError, match="perplexity is inf") as raised:
        loss_value("perplexity", np.array([1e9]), np.array([1]))
    assert raised.value.reason == "nan"


def test_a_loss_is_not_computed_from_outputs():
    with pytest.raises(ConfigError, match="loss is computed from losses"):
        compute("loss", logits_of([0, 1]), np.array([0, 1]))


@pytest.mark.parametrize("name", list(METRICS))
def test_a_metric_survives_pickling(name):
    assert pickle.loads(pickle.dumps(metric(name))) == metric(name)


@pytest.mark.parametrize("name", REGRESSION)
def test_without_scikit_learn_the_install_command_is_given(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    with pytest.raises(ConfigError, match=r'pip install "subnas\[metrics\]"'):
        compute(name, np.array([0.0, 1.0]), np.array([0, 1]))


@pytest.mark.parametrize("name", CLASSIFICATION)
def test_classes_are_scored_without_scikit_learn(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    assert compute(name, logits_of([0, 1, 1]), np.array([0, 1, 1])) == 1.0
