"""Additive scores of sub-layers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nas.search.design.block_scores import BlockScores, Measured, shares_of, shrunk
from nas.search.design.probes import PLANS, Plan, probes_of, rest_of
from nas.supernet import Supernet
from search_spaces import LayerUnits, SubnetConfig

PLAN = PLANS[0]


def measured(supernet: Supernet, *, error: float = 0.0, sign: float = 1.0) -> list[Measured]:
    """A loss that falls with each sub-layer's share, for later layers more steeply."""
    probes = probes_of(supernet.shape, PLAN)
    return [
        Measured(probe=probe, increase=sign * (0.5 - probe.share) * (1.0 + int(probe.block[0])), error=error)
        for probe in probes
    ]


def test_a_probe_differs_from_the_rest_in_one_sub_layer(supernet: Supernet) -> None:
    rest = shares_of(rest_of(supernet.shape, PLAN), supernet.shape)
    for probe in probes_of(supernet.shape, PLAN):
        own = shares_of(probe.config, supernet.shape)
        assert [block for block in own if own[block] != rest[block]] == [probe.block]
        assert own[probe.block] == probe.share


def test_every_sub_layer_is_probed_at_every_share(supernet: Supernet) -> None:
    blocks = [probe.block for probe in probes_of(supernet.shape, PLAN)]
    assert len(blocks) == 2 * 3 * 3
    assert set(blocks) == {(index, part) for index in range(3) for part in ("attention", "ffn")}


def test_narrower_embeddings_are_probed_where_they_are_asked_for(supernet: Supernet) -> None:
    probes = probes_of(supernet.shape, PLAN, hidden_sizes=(16, 24))
    assert [probe.config.hidden for probe in probes if probe.block == "hidden"] == [16, 24]


@pytest.mark.parametrize("plan", PLANS)
def test_probes_of_shared_heads_are_sub_networks_of_the_model(tiny_t5: Supernet, plan: Plan) -> None:
    probes = probes_of(tiny_t5.shape, plan)
    assert all(probe.config == probe.config.canonical(tiny_t5.shape) for probe in probes)
    assert any(probe.block == "heads" for probe in probes) is (plan.shares != (0.0,))


def test_scores_add_up_over_sub_layers(supernet: Supernet) -> None:
    rest = rest_of(supernet.shape, PLAN)
    scores = BlockScores.of(supernet.shape, rest, measured(supernet))
    dropped = replace(rest, layers=(None, rest.layers[1], replace(rest.layers[2], ffn=0)))
    assert scores.increase(rest) == pytest.approx(0.0)
    assert scores.increase(dropped.canonical(supernet.shape)) == pytest.approx(0.5 + 0.5 + 1.5)


def test_scores_are_linear_between_measured_sizes(supernet: Supernet) -> None:
    rest = rest_of(supernet.shape, PLAN)
    scores = BlockScores.of(supernet.shape, rest, measured(supernet))
    layers = (rest.layers[0], rest.layers[1], LayerUnits(heads=2, ffn=40))
    config = SubnetConfig(hidden=32, layers=layers).canonical(supernet.shape)
    assert scores.increase(config) == pytest.approx((0.5 - 40 / 64) * 3)


def test_a_smaller_sub_layer_never_scores_better(supernet: Supernet) -> None:
    rest = rest_of(supernet.shape, PLAN)
    scores = BlockScores.of(supernet.shape, rest, measured(supernet, sign=-1.0))
    for _, increases in scores.curves.values():
        assert np.all(np.diff(increases) <= 0)


def test_scores_without_error_are_left_as_they_were_measured(supernet: Supernet) -> None:
    every = measured(supernet)
    assert shrunk(every) == pytest.approx([one.increase for one in every])


def test_scores_below_the_noise_are_moved_to_the_mean_of_their_kind(supernet: Supernet) -> None:
    every = measured(supernet, error=100.0)
    kinds: dict[Any, list[float]] = {}
    for one in every:
        kinds.setdefault(one.probe.kind, []).append(one.increase)
    means = [np.mean(kinds[one.probe.kind]) for one in every]
    assert shrunk(every) == pytest.approx(means)


def test_the_more_it_stands_out_the_more_of_a_score_is_kept(supernet: Supernet) -> None:
    every = measured(supernet)
    spreads = [
        np.std(shrunk([replace(one, error=error) for one in every])) for error in (0.0, 0.2, 0.3, 10.0)
    ]
    assert spreads == sorted(spreads, reverse=True)
    assert spreads[0] > spreads[1] > spreads[2]


@pytest.fixture(scope="module")
def tiny_t5() -> Supernet:
    """Two blocks of four heads in each stack, which share their heads."""
    from transformers import T5Config, T5ForConditionalGeneration

    sizes = {"d_model": 16, "d_kv": 4, "d_ff": 16, "num_layers": 2, "num_heads": 4, "vocab_size": 40}
    config = T5Config(**sizes, decoder_start_token_id=0)
    return Supernet.from_model(T5ForConditionalGeneration(config), task="seq2seq-lm")
