"""What measured seeds are made from."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from nas.importance.base import Subject
from nas.importance.removal import calibration_loss
from nas.search.design import SeedMeasurements
from nas.search.design.probes import PLANS, probes_of
from nas.supernet import Supernet
from nas.tasks import task_of


@pytest.fixture(scope="module")
def calibrated(tiny_model: Callable[..., Any], tiny_batch: Callable[..., Any]) -> Supernet:
    """Two layers; remembers four batches of four examples."""
    supernet = Supernet.from_model(tiny_model(num_hidden_layers=2))
    supernet.calibrate([tiny_batch(seed=seed) for seed in range(4)])
    return supernet


@pytest.fixture
def forwards(calibrated: Supernet) -> Any:
    """Counts the model's forward passes."""
    calls: list[int] = []
    handle = calibrated.model.register_forward_hook(lambda *_: calls.append(1))
    yield calls
    handle.remove()


def measurements(supernet: Supernet, **options: Any) -> SeedMeasurements:
    found = SeedMeasurements.of(supernet, **options)
    assert found is not None
    return found


def test_nothing_is_measured_of_a_supernet_without_calibration_data(tiny_model: Callable[..., Any]) -> None:
    assert SeedMeasurements.of(Supernet.from_model(tiny_model())) is None


def test_nothing_is_measured_of_data_without_labels(calibrated: Supernet) -> None:
    other = Supernet.from_model(calibrated.model)
    other.calibrate([_Unlabelled(batch.inputs) for batch in calibrated.calibration])
    assert SeedMeasurements.of(other) is None


def test_passes_are_those_that_are_made(calibrated: Supernet, forwards: list[int]) -> None:
    measured = measurements(calibrated)
    measured.block_scores(calibrated.space("uniform"))
    assert measured.passes == len(forwards) > 0
    before = len(forwards)
    assert measured.unit_scores.heads is not None
    assert measured.passes == len(forwards) > before
    assert measured.backward_passes == 4


@pytest.mark.parametrize("passes", [10, 14, 30, 50, 200])
def test_block_scores_stay_within_their_passes(
    calibrated: Supernet, forwards: list[int], passes: int
) -> None:
    measurements(calibrated, passes=passes).block_scores(calibrated.space("uniform"))
    assert 0 < len(forwards) <= passes


def test_the_fewest_passes_are_one_of_each_sub_layer(calibrated: Supernet, forwards: list[int]) -> None:
    measurements(calibrated, passes=1).block_scores(calibrated.space("medium"))
    assert len(forwards) == 1 + len(probes_of(calibrated.shape, PLANS[-1])) == 5


def test_nothing_is_measured_twice(calibrated: Supernet, forwards: list[int]) -> None:
    measured = measurements(calibrated)
    for _ in range(2):
        measured.block_scores(calibrated.space("medium"))
        measured.block_scores(calibrated.space("sublayer"))
        measured.loss(calibrated.full)
    before = len(forwards)
    measured.loss(calibrated.full)
    assert len(forwards) == before == measured.passes


def test_a_loss_is_the_tasks_mean_over_the_calibration_data(calibrated: Supernet) -> None:
    subject = Subject(
        model=calibrated.model,
        shape=calibrated.shape,
        family=calibrated.family,
        task=task_of(calibrated.task),
        active=calibrated.active,
    )
    small = calibrated.space("medium").middle()
    with torch.no_grad():
        expected = calibration_loss(subject, small, calibrated.calibration)
    assert measurements(calibrated, passes=1000).loss(small) == pytest.approx(expected)


def test_scores_are_the_differences_of_losses(calibrated: Supernet) -> None:
    measured = measurements(calibrated, passes=1000)
    scores = measured.block_scores(calibrated.space("medium"))
    shares, increases = scores.curves[1, "ffn"]
    assert list(shares) == [0.0, 0.25, 0.5, 1.0]
    assert increases[2] == 0.0
    assert np.isfinite(increases).all()
    assert 0 < scores.noise < 1


def test_the_embedding_is_scored_where_the_space_narrows_it(calibrated: Supernet) -> None:
    measured = measurements(calibrated)
    assert "hidden" in measured.block_scores(calibrated.space("uniform")).curves
    assert "hidden" not in measured.block_scores(calibrated.space("medium")).curves


def test_the_model_is_left_as_it_was(calibrated: Supernet) -> None:
    before = calibrated.sha256
    calibrated.model.train()
    measurements(calibrated).block_scores(calibrated.space("medium"))
    assert calibrated.model.training
    assert calibrated.sha256 == before
    calibrated.model.eval()


def test_progress_is_told_and_the_passes_are_logged(
    calibrated: Supernet, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[tuple[float, float]] = []
    with caplog.at_level(logging.INFO, "nas.search.design.measuring"):
        measured = measurements(calibrated, progress=lambda done, total, text="": told.append((done, total)))
        measured.block_scores(calibrated.space("medium"))
    assert told[-1][0] == told[-1][1] == len(told)
    assert f"in {measured.passes} passes" in caplog.text


class _Unlabelled:
    def __init__(self, inputs: Any) -> None:
        self.inputs = inputs
        self.labels = None
