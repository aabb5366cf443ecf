"""Latency of shapes: what decides it, and what a worker measures of a tiny model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from nas.evaluation import LatencyEvaluation, LatencyResult, Target, shape_key, skeleton_of
from nas.supernet import Supernet
from search_spaces import LayerUnits, SubnetConfig
from workers import LatencyProtocol, PairedSamples

FAST = LatencyProtocol(warmup_s=0.01, min_pairs=12, max_seconds=0.4, relative_precision=0.05)
TARGET = Target.local(sequence_length=16, batch_size=2)


def config(*layers: LayerUnits | None, hidden: Any = 32) -> SubnetConfig:
    return SubnetConfig(hidden=hidden, layers=layers)


BLOCK = LayerUnits(heads=2, ffn=16)


@pytest.mark.parametrize(
    "other",
    [
        config(BLOCK, None, BLOCK),
        config(None, BLOCK, BLOCK),
        config(LayerUnits(heads=(1, 3), ffn=16), BLOCK, None),
        config(BLOCK, LayerUnits(heads=2, ffn=tuple(range(10, 26))), None),
    ],
)
def test_equal_sizes_have_equal_keys_whichever_units_and_layers(
    supernet: Supernet, other: SubnetConfig
) -> None:
    assert shape_key(supernet.shape, other) == shape_key(supernet.shape, config(BLOCK, BLOCK, None))


@pytest.mark.parametrize(
    "other",
    [
        config(BLOCK, None, None),
        config(BLOCK, BLOCK, BLOCK),
        config(LayerUnits(heads=1, ffn=16), BLOCK, None),
        config(LayerUnits(heads=2, ffn=17), BLOCK, None),
        config(LayerUnits(heads=2, ffn=0), BLOCK, None),
        config(BLOCK, BLOCK, None, hidden=24),
    ],
)
def test_other_sizes_have_other_keys(supernet: Supernet, other: SubnetConfig) -> None:
    assert shape_key(supernet.shape, other) != shape_key(supernet.shape, config(BLOCK, BLOCK, None))


def test_models_of_other_sizes_have_other_keys(make_supernet: Callable[..., Supernet]) -> None:
    one, wider = make_supernet(), make_supernet(num_labels=3)
    same = make_supernet(vocab_size=50)  # looking a token up takes as long in a smaller table
    sub = config(BLOCK, None, None)
    assert shape_key(one.shape, sub) == shape_key(same.shape, sub)
    assert shape_key(one.shape, sub) != shape_key(wider.shape, sub)


@pytest.fixture(scope="module")
def worker(supernet: Supernet) -> Any:
    """Of the latency lane; it needs no weights."""
    return LatencyEvaluation(target=TARGET, protocol=FAST).factory(skeleton_of(supernet))({})


@pytest.fixture(scope="module")
def smaller(worker: Any) -> LatencyResult:
    """One layer of three, thin."""
    result: LatencyResult = worker(config(LayerUnits(heads=1, ffn=8), None, None).to_json())
    return result


def test_the_ratio_lies_in_its_interval(smaller: LatencyResult) -> None:
    figures = smaller.statistics
    assert figures["ratio_low"] <= figures["ratio"] <= figures["ratio_high"]


def test_a_model_of_a_third_of_the_layers_is_measured_faster_than_the_full_one(
    smaller: LatencyResult,
) -> None:
    assert 0 < smaller.statistics["ratio"] < 0.8


def test_every_pair_is_kept(smaller: LatencyResult) -> None:
    samples = PairedSamples.from_bytes(smaller.samples)
    assert len(samples.candidate_wall_ms) == smaller.statistics["num_pairs"] >= FAST.min_pairs
    ratios = samples.candidate_wall_ms / samples.reference_wall_ms
    assert float(np.median(ratios)) == pytest.approx(smaller.statistics["wall_ratio"], rel=1e-4)


def test_the_device_is_noted(smaller: LatencyResult) -> None:
    assert smaller.device["cpu"] == TARGET.fingerprint().cpu
    assert smaller.device["threads"] == TARGET.threads


def test_calibration_gives_the_full_models_milliseconds_and_processor_time(worker: Any) -> None:
    result = worker(None)
    figures = result.statistics
    assert 0 < figures["reference_low_ms"] <= figures["reference_ms"] <= figures["reference_high_ms"]
    assert "ratio" not in figures
    assert result.is_usable
    cpu = PairedSamples.from_bytes(result.samples).candidate_cpu_ms
    assert np.median(cpu) > 0


def test_measuring_leaves_torchs_threads_as_they_were(supernet: Supernet) -> None:
    before = torch.get_num_threads()
    target = dataclasses.replace(TARGET, threads=before + 1)
    worker = LatencyEvaluation(target=target, protocol=FAST).factory(skeleton_of(supernet))({})
    assert torch.get_num_threads() == before
    worker(config(BLOCK, None, None).to_json())
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("flag", "half_width", "is_usable"),
    [
        ("ok", 0.04, True),
        ("noisy", 0.04, True),
        ("noisy", 0.06, False),
        ("contended", 0.019, True),
        ("contended", 0.021, False),
    ],
)
def test_a_ratio_is_usable_within_five_percent_and_within_two_where_others_took_the_processor(
    flag: str, half_width: float, is_usable: bool
) -> None:
    figures = {"ratio": 0.5, "ratio_low": 0.5 * (1 - half_width), "ratio_high": 0.5 * (1 + half_width)}
    result = LatencyResult(statistics=figures, samples=b"", flag=flag, device={})
    assert result.is_usable is is_usable
