"""The first sub-networks of a study."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import nas
from nas.search import known_samplers
from nas.study import Study
from nas.study.seeding import SEEDS_MEASURED
from nas.supernet import Supernet
from storage import Ledger, TrialState

MakeStudy = Callable[..., Study]
MEASURED = ("importance_ladder", "greedy", "knapsack")
ORIGINS = {f"seed:{name}" for name in MEASURED}


@pytest.fixture
def calibrated(supernet: Supernet, tiny_batch: Callable[..., Any]) -> Supernet:
    """The supernet with two batches of labelled calibration data."""
    other = Supernet.from_model(supernet.model)
    other.calibrate([tiny_batch(seed=seed, num_labels=2) for seed in range(2)])
    return other


def first_keys(study: Study) -> list[str]:
    return [trial.key for trial in study.trials if not trial.origin.startswith("sampler")]


def test_every_sampler_begins_with_the_same_sub_networks(make_study: MakeStudy, calibrated: Supernet) -> None:
    designs = []
    for sampler in known_samplers():
        study = make_study(sampler, supernet=calibrated, space="medium", sampler=sampler)
        study.ask()
        designs.append(first_keys(study))
    assert len(designs[0]) > 12
    assert all(design == designs[0] for design in designs)


def test_seeds_are_evaluated_before_what_a_sampler_proposes(
    make_study: MakeStudy, calibrated: Supernet, counted: Any
) -> None:
    study = make_study(supernet=calibrated, space="medium", enqueue=MEASURED)
    study.optimize(counted.evaluator, 20)
    origins = [trial.origin for trial in study.trials if trial.state is not TrialState.DUPLICATE]
    assert set(origins) >= ORIGINS
    first = origins.index("sampler")
    assert not [origin for origin in origins[first:] if origin in ORIGINS]


def test_what_the_measurements_took_is_noted_once(
    make_study: MakeStudy, calibrated: Supernet, counted: Any, ledger: Ledger
) -> None:
    study = make_study(supernet=calibrated, enqueue=MEASURED)
    for total in (3, 6):
        study.optimize(counted.evaluator, total)
    (event,) = ledger.events(1, kind=SEEDS_MEASURED)
    assert event.payload["forward_passes"] > 0
    assert event.payload["backward_passes"] == 2


def test_nothing_is_measured_for_a_design_that_does_not_need_it(
    make_study: MakeStudy, calibrated: Supernet, ledger: Ledger
) -> None:
    make_study(supernet=calibrated, enqueue=("full", "uniform_ladder")).ask()
    assert not ledger.events(1, kind=SEEDS_MEASURED)


def test_without_calibration_data_the_other_seeds_are_there(make_study: MakeStudy, ledger: Ledger) -> None:
    study = make_study()
    study.ask()
    origins = {trial.origin for trial in study.trials}
    assert "seed:smallest" in origins
    assert not origins & ORIGINS
    assert not ledger.events(1, kind=SEEDS_MEASURED)


def test_measured_seeds_keep_the_budget(make_study: MakeStudy, calibrated: Supernet) -> None:
    study = make_study(
        supernet=calibrated,
        space="medium",
        enqueue=MEASURED,
        constraints=("num_parameters <= 0.7 * baseline",),
    )
    study.ask()
    seeds = [trial for trial in study.trials if trial.origin in ORIGINS]
    assert len(seeds) >= 6
    assert all(trial.state is TrialState.PROPOSED for trial in seeds)


def test_measurements_are_told_to_the_progress_bar(
    make_study: MakeStudy, calibrated: Supernet, counted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    monkeypatch.setattr("nas.progress._lines", lambda _: lambda done, total, text="": shown.append(text))
    study = make_study(supernet=calibrated)
    study.optimize(counted.evaluator, 3, show_progress_bar=True)
    assert "block scores for the first sub-networks" in shown


def test_an_unknown_part_is_refused_when_the_study_is_created(make_study: MakeStudy) -> None:
    with pytest.raises(nas.ConfigError, match=r"unknown part 'knapsac'.*did you mean knapsack"):
        make_study(enqueue=("knapsac",))
