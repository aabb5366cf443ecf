"""What the searches of `benchmarks.search` are answered by: the oracle, recordings, and their evaluator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nas
from benchmarks.search.answers import AnswerEvaluator, OracleSource, config_of, kept_by, outcome_of
from benchmarks.search.oracle import Kept, Oracle, Sizes
from benchmarks.search.recorded import Recording
from benchmarks.search.runs import random_minilm
from benchmarks.search.settings import EFFORTS
from benchmarks.search.whittle_side import kept_of
from nas.evaluation import arrays_of, skeleton_of
from search_spaces import SubnetConfig

SIZES = EFFORTS["tiny"].sizes
EXAMPLES = 96
ALL = np.arange(EXAMPLES)


@pytest.fixture(scope="module")
def supernet() -> nas.Supernet:
    return random_minilm(SIZES)


@pytest.fixture
def oracle() -> Oracle:
    return Oracle(0, examples=EXAMPLES, sizes=SIZES)


def drawn(supernet: nas.Supernet, number: int) -> list[SubnetConfig]:
    generator = np.random.default_rng(4)
    return [supernet.space("medium").sample(generator) for _ in range(number)]


def test_the_oracle_counts_parameters_as_the_model_has_them(supernet: nas.Supernet) -> None:
    for config in [supernet.full, *drawn(supernet, 20)]:
        assert SIZES.num_parameters(kept_by(config)) == supernet.cost(config).num_parameters


def test_the_oracle_answers_an_example_alike_whatever_is_asked_with_it(oracle: Oracle) -> None:
    kept = Kept(heads=(3, 0), neurons=(8, 64))

    whole = oracle.margins(kept, ALL)

    assert np.allclose(whole[[7, 90]], oracle.margins(kept, np.array([7, 90])), rtol=0, atol=1e-12)


def test_the_oracle_counts_repetitions_of_an_example(oracle: Oracle) -> None:
    oracle.margins(SIZES.full, ALL[:10])
    oracle.margins(SIZES.full, ALL[:10])

    assert oracle.asked == 20


def test_a_neighbour_disagrees_with_the_full_model_on_fewer_examples_than_half_of_it() -> None:
    oracle = Oracle(0)
    full, rows = oracle.sizes.full, np.arange(len(oracle))
    half = Kept(heads=(6,) * 6, neurons=(768,) * 6)
    neighbour = Kept(heads=(11, *full.heads[1:]), neurons=full.neurons)
    right = oracle.margins(full, rows) > 0

    disagreement = [np.mean((oracle.margins(kept, rows) > 0) != right) for kept in (neighbour, half)]

    assert disagreement[0] < disagreement[1]


def test_truths_of_two_seeds_differ() -> None:
    kept = Kept(heads=(6,) * 6, neurons=(768,) * 6)

    assert Oracle(0).accuracy(kept) != Oracle(1).accuracy(kept)


def test_stages_merge_to_the_full_evaluation(supernet: nas.Supernet, oracle: Oracle) -> None:
    evaluator = AnswerEvaluator(source=OracleSource(oracle, 0), seed=2)
    worker = evaluator.factory(skeleton_of(supernet))(arrays_of(supernet))
    payload = drawn(supernet, 1)[0].to_json()

    parts = [worker({**payload, "examples": [start, stop]}) for start, stop in ((0, 32), (32, EXAMPLES))]
    whole = worker(payload)

    assert evaluator.merged(parts).metrics == whole.metrics
    assert evaluator.num_asked == 2 * EXAMPLES


def test_each_prefix_of_the_order_has_the_classes_in_proportion(oracle: Oracle) -> None:
    order = AnswerEvaluator(source=OracleSource(oracle, 0), seed=1).order
    share = oracle.labels.mean()

    assert sorted(order) == list(range(EXAMPLES))
    for stop in (10, 32, 64):
        assert abs(oracle.labels[order[:stop]].sum() - share * stop) <= 1


def test_the_order_is_another_for_another_seed(oracle: Oracle) -> None:
    orders = [AnswerEvaluator(source=OracleSource(oracle, 0), seed=seed).order for seed in (0, 1)]

    assert orders[0].tolist() != orders[1].tolist()


def test_losses_of_answers_are_those_of_their_margins(supernet: nas.Supernet, oracle: Oracle) -> None:
    outcome = outcome_of(OracleSource(oracle, 0), supernet.full, ALL)

    assert np.allclose(outcome.losses, np.logaddexp(0, -oracle.margins(SIZES.full, ALL)), atol=1e-6)


def test_units_become_a_configuration_and_back(supernet: nas.Supernet) -> None:
    for config in drawn(supernet, 20):
        assert config_of(kept_by(config), SIZES.hidden).canonical(supernet.shape) == config


def test_every_point_of_whittles_space_is_one_of_ours(supernet: nas.Supernet) -> None:
    space = supernet.space("medium")

    for heads, steps in ((0, 0), (4, 16), (2, 7)):
        point = {f"heads_{block}": heads for block in range(2)} | {f"neurons_{b}": steps for b in range(2)}
        assert config_of(kept_of(point, SIZES), SIZES.hidden) in space


def test_minilm_has_the_default_sizes() -> None:
    assert Sizes().num_parameters(Sizes().full) == 22_713_986


def test_a_recording_is_read_instead_of_evaluated_again(tmp_path: Path, supernet: nas.Supernet) -> None:
    file, config = tmp_path / "recorded.npz", supernet.full
    labels = np.array([0, 1, 1])
    logits = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]])
    first = Recording(file, labels, lambda _: logits, model_sha256="a")
    first.logits(config, np.array([0]))
    first.save()

    def refuse(_: SubnetConfig) -> np.ndarray:
        raise AssertionError("evaluated again")

    second = Recording(file, labels, refuse, model_sha256="a")

    assert second.logits(config, np.array([2, 1])).tolist() == [[3.0, 0.0], [0.0, 2.0]]
    assert list(second.configs.values()) == [config]


def test_a_recording_of_another_model_is_refused(tmp_path: Path, supernet: nas.Supernet) -> None:
    file, labels = tmp_path / "recorded.npz", np.array([0])
    made = Recording(file, labels, lambda _: np.zeros((1, 2)), model_sha256="a")
    made.logits(supernet.full, np.array([0]))
    made.save()

    with pytest.raises(nas.ConfigError, match="another model"):
        Recording(file, labels, lambda _: np.zeros((1, 2)), model_sha256="b")
