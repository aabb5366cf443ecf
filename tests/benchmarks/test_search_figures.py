"""Cells, counts and the table of `benchmarks.search`, and its smallest run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nas
from benchmarks.search import command, end_to_end, searchers
from benchmarks.search.answers import Asked, OracleSource
from benchmarks.search.figures import Figure, percent
from benchmarks.search.journal import Journal
from benchmarks.search.oracle import Oracle
from benchmarks.search.racing import compared
from benchmarks.search.runs import Found, random_minilm
from benchmarks.search.searchers import completed
from benchmarks.search.settings import EFFORTS, Real
from benchmarks.search.volume import front_of, true_points
from benchmarks.table import Goal
from nas.data import EncodedDataset
from nas.study.creation import draft_spec
from nas.tasks import Task

SIZES = EFFORTS["tiny"].sizes


def asked(*parts: tuple[str, int, int]) -> list[Asked]:
    return [Asked(*part) for part in parts]


def test_only_whole_evaluations_within_the_budget_count() -> None:
    trace = asked(("a", 0, 4), ("b", 0, 10), ("a", 4, 10), ("c", 0, 10))

    assert completed(trace, examples=10, budget=29) == ["b", "a"]


def test_examples_asked_twice_are_paid_twice() -> None:
    trace = asked(("a", 0, 10), ("a", 0, 10), ("b", 0, 10))

    assert completed(trace, examples=10, budget=29) == ["a"]


def test_a_paused_member_of_the_true_front_is_a_wrong_stop() -> None:
    supernet, source = random_minilm(SIZES), OracleSource(Oracle(0, examples=96, sizes=SIZES), 0)
    generator = np.random.default_rng(0)
    configs = tuple(supernet.space("medium").sample(generator) for _ in range(12))
    spec = draft_spec(supernet, supernet.space("medium"), objectives=("max accuracy", "min num_parameters"))
    best = front_of(true_points(source, configs, spec, "accuracy"))
    stopped = int(np.flatnonzero(best)[0])
    is_paused = np.zeros(12, bool)
    is_paused[stopped] = True
    found = Found(
        asked=tuple(asked(*((config.key, 0, 48) for config in configs))),
        candidates=configs,
        is_paused=tuple(is_paused.tolist()),
        on_front=tuple((best & ~is_paused).tolist()),
        spec=spec,
    )

    result = compared(found, source, "accuracy")

    assert result["wrong"] == 1
    assert result["spent"] == 0.5
    assert result["lost"] > 0


def test_a_finished_cell_is_not_computed_again(tmp_path: Path) -> None:
    calls: list[str] = []

    def compute() -> dict[str, Any]:
        calls.append("once")
        return {"value": 3}

    Journal(tmp_path, "tiny").compute("a", {"a": compute})
    again = Journal(tmp_path, "tiny")

    assert again.missing({"a": compute, "b": compute}) == ["b"]
    assert again.of({"a": compute})[0]["value"] == 3
    assert calls == ["once"]


def test_a_cell_that_fails_is_told_and_left_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> dict[str, Any]:
        raise nas.ConfigError("too noisy")

    cells = {"bad": fail, "good": lambda: {"value": 1}}
    monkeypatch.setitem(command.PARTS, "fake", (command.Part(lambda _: cells, lambda _: []),))
    settings = command.settings_of(command._parser().parse_args(["--quick", "--folder", str(tmp_path)]))
    journal = Journal(tmp_path, "tiny")

    command.compute_missing("fake", settings, journal, limit=None)

    assert journal.missing(cells) == ["bad"]
    assert "bad failed: too noisy" in capsys.readouterr().err


def test_cells_of_another_effort_are_refused(tmp_path: Path) -> None:
    Journal(tmp_path, "tiny").compute("a", {"a": lambda: {}})

    with pytest.raises(nas.ConfigError, match="give another --folder"):
        Journal(tmp_path, "full")


def test_a_figure_is_judged_by_its_mean() -> None:
    figure = Figure(part="p", case="c", values=[0.2, 0.38], shown=percent, goal=Goal("<=", 0.3))

    assert figure.cells(is_judged=True) == ["p", "c", "29 % [20 %, 38 %]", "2", "<= 30 %", "yes", ""]


def test_a_tiny_run_judges_nothing() -> None:
    figure = Figure(part="p", case="c", values=[0.9], shown=percent, goal=Goal("<=", 0.3))

    assert figure.cells(is_judged=False) == ["p", "c", "90 %", "1", "<= 30 %", "", ""]


def test_forward_passes_are_untouched_after_they_were_timed() -> None:
    before = Task.forward

    with end_to_end.forward_passes():
        assert Task.forward is not before

    assert Task.forward is before


def test_a_timed_search_spends_part_of_its_time_in_forward_passes() -> None:
    generator = np.random.default_rng(0)
    data = EncodedDataset(
        tokens=generator.integers(5, 100, 40 * 6).astype(np.int32),
        offsets=np.arange(0, 40 * 6 + 1, 6, dtype=np.int64),
        token_types=None,
        labels=generator.integers(0, 2, 40),
        label_names=("no", "yes"),
        max_length=6,
        pad_token_id=0,
        padding_side="right",
    )

    timed = end_to_end.timed_search(Real(supernet=random_minilm(SIZES), data=data), 4, has_target=False)

    assert timed.trials == 4
    assert 0 < timed.forward < timed.wall
    assert 0 < timed.examples <= 4 * 40


@pytest.mark.timeout(300)
def test_the_smallest_run_prints_a_table_and_is_resumed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--quick", "--seeds", "1", "--folder", str(tmp_path), "--part", "searchers"]

    command.main(arguments)
    first = capsys.readouterr()
    command.main(arguments)
    second = capsys.readouterr()

    assert "| searchers | hypervolume, 1344 examples, ours |" in first.out
    assert "0 cells missing" in first.out
    assert "searchers/ours/0 …" in first.err
    assert "…" not in second.err
    assert table_of(second.out) == table_of(first.out)


def table_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("|")]


@pytest.mark.parametrize("cells_of", [part.cells for parts in command.PARTS.values() for part in parts])
def test_cells_have_names_of_their_own(cells_of: Callable[[Any], Any], tmp_path: Path) -> None:
    given = command._parser().parse_args(["--quick", "--folder", str(tmp_path), "--peer-python", "python"])

    names = list(cells_of(command.settings_of(given)))

    assert len(set(names)) == len(names) > 0


def test_ours_is_compared_with_each_searcher_seed_by_seed() -> None:
    volumes = {("ours", 0): 0.2, ("ours", 1): 0.3, ("peer", 0): 0.1, ("peer", 1): 0.3, ("peer", 2): 0.9}
    records = [
        {"method": method, "seed": seed, "volumes": [0.0, 0.0, last], "evaluated": 1, "examples": 9}
        for (method, seed), last in volumes.items()
    ]

    (ratio,) = [figure for figure in searchers.figures(records) if "÷" in figure.case]

    assert ratio.case == "hypervolume, ours ÷ peer"
    assert list(ratio.values) == [2.0, 1.0]
