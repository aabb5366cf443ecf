"""Recovery within budgets of parameters: budgets are kept, results are read again, goals are judged."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.models import TINY, random_supernet
from benchmarks.study_of_studies import pruned as pruning
from benchmarks.study_of_studies.cells import Bench
from benchmarks.study_of_studies.protocol import Protocol
from benchmarks.study_of_studies.pruned import GOALS, Pruned, filling, pruned
from benchmarks.study_of_studies.recipe import Recipe
from benchmarks.study_of_studies.recovered import summary
from benchmarks.study_of_studies.tasks import TASKS, Parts
from nas.data import EncodedDataset
from search_spaces import SubnetConfig

RECIPE = Recipe(supernet_passes=2, trials=4, recovery_passes=3)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    torch.set_num_threads(1)
    data = _data()
    return Bench(
        task=TASKS["mrpc"],
        seed=0,
        parts=Parts(train=data, validation=data, test=data),
        protocol=Protocol(passes=2, calibration=32, sampled=2, epochs_scale=0.5),
        folder=tmp_path / "mrpc-0",
        storage=f"sqlite:///{tmp_path / 'nas.db'}",
        start=lambda: random_supernet(TINY),
    )


def test_each_budget_is_kept_and_recovered_for_the_passes_of_the_recipe(bench: Bench) -> None:
    found = pruned(bench, RECIPE)

    assert [one.threshold for one in found] == list(GOALS)
    assert all(one.share <= one.threshold for one in found)
    assert {one.passes for one in found} == {3}


def test_results_are_read_and_not_made_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    first = pruned(bench, RECIPE)
    monkeypatch.setattr(pruning, "recover", _never)

    assert pruned(bench, RECIPE) == first


@pytest.mark.parametrize("threshold", GOALS)
def test_search_begins_with_sub_networks_that_fill_the_budget(threshold: float) -> None:
    supernet = random_supernet(TINY)
    full = supernet.cost(supernet.full).num_parameters

    shares = [supernet.cost(config).num_parameters / full for config in filling(threshold, supernet, 5)]

    assert len(shares) == 5
    assert all(threshold - 0.08 < share <= threshold for share in shares)


def test_every_finalist_is_recovered(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    keys: list[str] = []
    recover = pruning.recover

    def noting(supernet: Any, config: SubnetConfig, *arguments: Any, **options: Any) -> Any:
        keys.append(config.key)
        return recover(supernet, config, *arguments, **options)

    monkeypatch.setattr(pruning, "recover", noting)
    pruned(bench, dataclasses.replace(RECIPE, finalists=3))

    assert [len(set(keys[start : start + 3])) for start in (0, 3, 6)] == [3, 3, 3]


def test_goal_is_judged_by_the_mean_over_tasks() -> None:
    found = [_pruned(task, threshold) for task in ("sst2", "mrpc") for threshold in GOALS]
    found[0] = dataclasses.replace(found[0], after=0.5)

    rows = summary(found).splitlines()[-len(GOALS) :]

    assert ["**no**" in row for row in rows] == [True, False, False]


def _pruned(task: str, threshold: float) -> Pruned:
    return Pruned(
        task=task,
        seed=0,
        threshold=threshold,
        architecture="2 layers",
        share=threshold,
        prunable=0.2,
        unpruned=0.9,
        before=0.6,
        after=0.9,
        accuracies=(0.9, 0.6, 0.9),
        passes=3,
    )


def _data() -> EncodedDataset:
    generator = np.random.default_rng(0)
    labels = np.arange(40) % 2
    rows = [10 + 40 * label + generator.integers(40, size=4) for label in labels]
    return EncodedDataset(
        tokens=np.concatenate(rows).astype(np.int32),
        offsets=4 * np.arange(41),
        token_types=None,
        labels=labels,
        label_names=("no", "yes"),
        max_length=8,
        pad_token_id=0,
        padding_side="right",
    )


def _never(*_: object, **__: object) -> Callable[[], None]:
    raise AssertionError("a sub-network is recovered again")
