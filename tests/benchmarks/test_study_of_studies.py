"""The study of studies: cells are computed once, resumed, and compared fairly."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

import nas
from benchmarks.models import TINY, random_supernet
from benchmarks.study_of_studies import cells, command, protocol
from benchmarks.study_of_studies.cells import Bench, compute, design, finetuned, is_computed
from benchmarks.study_of_studies.figures import Figures, figures
from benchmarks.study_of_studies.protocol import THRESHOLDS, Cell, Protocol, by_axis
from benchmarks.study_of_studies.report import cell_table, difference_table, report
from benchmarks.study_of_studies.tasks import TASKS, Files, Limits, Parts, parts
from nas.data import EncodedDataset, Examples
from search_spaces import Workload, cost

CELL = Cell(task="sst2", importance="minitron", strategy="random", seed=0)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(
        task=TASKS["sst2"],
        seed=0,
        parts=Parts(train=_data(48), validation=_data(24, seed=1), test=_data(24, seed=2)),
        protocol=Protocol(passes=4, calibration=32, sampled=2),
        folder=tmp_path / "sst2-0",
        storage=f"sqlite:///{tmp_path / 'nas.db'}",
        start=lambda: random_supernet(TINY),
    )


def test_finished_cell_is_not_computed_again(bench: Bench) -> None:
    calls: list[Cell] = []

    def noting(cell: Cell) -> Bench:
        calls.append(cell)
        return bench

    first = command.compute_missing([CELL], bench.storage, noting, None)
    second = command.compute_missing([CELL], bench.storage, noting, None)

    assert (first, second, calls) == (1, 0, [CELL])


def test_cell_goes_on_after_an_interruption(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[str] = []
    train = nas.train_supernet

    def noting(*arguments: Any, **options: Any) -> Any:
        trained.append(options["strategy"])
        return train(*arguments, **options)

    monkeypatch.setattr(nas, "train_supernet", noting)
    with monkeypatch.context() as patch:
        patch.setattr(cells, "design", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            compute(CELL, bench)
    compute(CELL, bench)

    assert is_computed(CELL, bench.storage)
    assert trained == ["standard", "random"]


def test_figures_are_those_of_the_ledger(bench: Bench) -> None:
    compute(CELL, bench)

    found = figures(CELL, bench.storage)

    assert found is not None
    with nas.load_study(CELL.name, storage=bench.storage) as study:
        assert found.full_loss == study.baseline["loss"]
        errors = [1 - trial.metrics["accuracy"] for trial in study.trials]
        shares = [trial.metrics["num_parameters"] for trial in study.trials]
    assert found.passes == 4
    assert 0 < found.hypervolume <= (1 - min(errors)) * (1 - min(shares) / max(shares)) + 1e-12


def test_share_kept_is_the_test_metric_over_the_unpruned_models(bench: Bench) -> None:
    compute(CELL, bench)

    found = figures(CELL, bench.storage)

    assert found is not None
    with nas.load_study(cells.test_study(CELL), storage=bench.storage) as study:
        measured = {trial.metrics["accuracy"] for trial in study.trials}
    with nas.load_study(bench.unpruned, storage=bench.storage) as study:
        whole = study.baseline["accuracy"]
    kept = [value for value in found.kept.values() if value is not None]
    assert kept
    assert all(any(value == pytest.approx(one / whole) for one in measured) for value in kept)


def test_finished_cell_leaves_the_fine_tuned_model_alone(bench: Bench) -> None:
    compute(CELL, bench)

    assert {path.name for path in bench.folder.iterdir()} == {"finetuned"}


def test_full_model_is_fine_tuned_once_for_all_cells(bench: Bench) -> None:
    first, second = finetuned(bench).sha256, finetuned(bench).sha256

    assert first == second != random_supernet(TINY).sha256


def test_cells_evaluate_equal_sizes_whatever_the_order_of_layers() -> None:
    one, other = random_supernet(TINY), random_supernet(TINY)
    other.layer_order = tuple(reversed(other.layer_order))

    sizes = [
        [cost(s.shape, config, Workload()).num_parameters for config in design(s.space("uniform"), 6)]
        for s in (one, other)
    ]

    assert sizes[0] == sizes[1]


def test_design_reaches_every_quarter_of_the_sizes() -> None:
    supernet = random_supernet(TINY)
    shares = [
        supernet.cost(config).num_parameters / supernet.cost(supernet.full).num_parameters
        for config in design(supernet.space("uniform"), 20)
    ]

    counts, _ = np.histogram(shares, bins=4, range=(min(shares), 1))
    assert min(counts) >= 3


def test_axes_that_an_importance_does_not_score_are_ranked_by_the_same_methods() -> None:
    assert by_axis("fisher_mask") == {
        "hidden": "minitron",
        "layers": "block_influence",
        "heads": "fisher_mask",
        "ffn": "fisher_mask",
    }


def test_compared_importances_score_heads_and_neurons() -> None:
    assert "block_influence" not in protocol.compared_importances()
    assert {"minitron", "fisher_mask", "random"} <= set(protocol.compared_importances())


def test_seeds_are_completed_one_after_another() -> None:
    order = list(protocol.cells(["sst2"], ["random"], ["standard", "random"], [0, 1]))

    assert [cell.seed for cell in order] == [0, 0, 1, 1]


def test_no_cell_is_begun_that_would_end_too_late(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.0, 0.0, 60.0, 70.0])
    monkeypatch.setattr(command.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(command, "is_computed", lambda *_: False)
    monkeypatch.setattr(command, "compute", lambda *_: None)

    done = command.compute_missing([CELL, CELL], bench.storage, lambda _: bench, 100)

    assert done == 1


def test_validation_data_are_three_tenths_of_the_training_file() -> None:
    split = _split(Limits(validation=None))

    assert (len(split.train), len(split.validation), len(split.test)) == (70, 30, 20)


def test_training_and_validation_have_no_example_in_common() -> None:
    split = _split(Limits(validation=None))

    assert not set(split.train.tokens.tolist()) & set(split.validation.tokens.tolist())


def test_folder_of_another_protocol_is_refused(tmp_path: Path) -> None:
    command.check_folder(tmp_path, protocol.PROTOCOLS["short"].to_json())

    with pytest.raises(nas.ConfigError, match="give another --folder"):
        command.check_folder(tmp_path, protocol.PROTOCOLS["short"].with_passes(7).to_json())


def test_unknown_names_are_refused_with_the_known_ones(tmp_path: Path) -> None:
    given = command._parser().parse_args(["--short", "--folder", str(tmp_path), "--strategies", "sandwhich"])

    with pytest.raises(nas.ConfigError, match="unknown strategy 'sandwhich'; allowed are standard"):
        command.settings_of(given)


def test_whole_study_has_every_combination_and_three_seeds(tmp_path: Path) -> None:
    settings = command.settings_of(command._parser().parse_args(["--folder", str(tmp_path)]))

    methods = len(protocol.compared_importances()) * len(protocol.compared_strategies())
    assert len(set(settings.cells)) == 3 * methods * 3


def test_cross_varies_one_axis_at_a_time(tmp_path: Path) -> None:
    settings = command.settings_of(command._parser().parse_args(["--cross", "--folder", str(tmp_path)]))

    methods = len(protocol.compared_importances()) + len(protocol.compared_strategies()) - 1
    assert len(settings.cells) == 3 * methods * 3


def test_rows_are_sorted_by_hypervolume() -> None:
    found = [_figures("minitron", "random", 0.5), _figures("minitron", "standard", 0.6)]

    rows = cell_table(found).splitlines()[2:]

    assert [row.split("|")[2].strip() for row in rows] == ["standard", "random"]


def test_differences_are_paired_within_task_seed_and_other_axis() -> None:
    found = [
        _figures("random", "random", 0.5),
        _figures("minitron", "random", 0.6),
        _figures("random", "standard", 0.1),
        _figures("minitron", "standard", 0.4),
        _figures("minitron", "kd", 0.9),  # its partner is not computed
    ]

    (row,) = difference_table(found, "importance").splitlines()[2:]

    assert row.startswith("| minitron | 2 | +0.2000 ± 0.1414 |")


def test_budget_without_a_sub_network_is_a_dash() -> None:
    smallest = dataclasses.replace(_figures("random", "random", 0.5), kept=dict.fromkeys(THRESHOLDS))

    assert cell_table([smallest]).splitlines()[-1].count("–") == len(THRESHOLDS)


def test_cells_of_different_code_are_told() -> None:
    found = [_figures("random", "random", 0.5), _figures("random", "standard", 0.5)]

    assert "2 versions of the source" in report([found[0], dataclasses.replace(found[1], code="other")])


def _figures(importance: str, strategy: str, volume: float) -> Figures:
    return Figures(
        cell=Cell(task="sst2", importance=importance, strategy=strategy, seed=0),
        hypervolume=volume,
        full_loss=0.3,
        full_metric=0.9,
        kept=dict.fromkeys(THRESHOLDS, 0.9),
        prunable=dict.fromkeys(THRESHOLDS, 0.5),
        passes=4,
        seconds=1.0,
        code="one",
    )


def _data(num_examples: int, *, seed: int = 0) -> EncodedDataset:
    """Tokens that tell the label."""
    generator = np.random.default_rng(seed)
    labels = np.arange(num_examples) % 2
    rows = [10 + 40 * label + generator.integers(40, size=generator.integers(3, 7)) for label in labels]
    return EncodedDataset(
        tokens=np.concatenate(rows).astype(np.int32),
        offsets=np.cumsum([0, *map(len, rows)]),
        token_types=None,
        labels=labels,
        label_names=("no", "yes"),
        max_length=8,
        pad_token_id=0,
        padding_side="right",
    )


def _tokenizer() -> Any:
    """A token a number."""
    backend = Tokenizer(models.WordLevel({"[PAD]": 0, **{str(i): i for i in range(1, 600)}}, unk_token="1"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="[PAD]")


def _split(limits: Limits) -> Parts:
    def some(first: int, count: int) -> Examples:
        texts = tuple(str(first + number) for number in range(count))
        return Examples(texts=texts, labels=np.arange(count) % 2, label_names=("no", "yes"))

    return parts(TASKS["sst2"], Files(train=some(1, 100), test=some(500, 20)), _tokenizer(), limits)


def _interrupted(*_: Any) -> None:
    raise KeyboardInterrupt
