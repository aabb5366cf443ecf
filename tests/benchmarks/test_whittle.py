"""The comparison with whittle: what both sides agree on, and how its table reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import nas
from benchmarks import whittle_case as shared
from benchmarks.whittle_case import FULL, LADDER, SMALLEST, Case
from benchmarks.whittle_ours import losses_of, train
from benchmarks.whittle_sizes import config_of, recording_space, sizes_of, space_of
from benchmarks.whittle_start import blocks_of, dataset_of, pretrained, supernet_of
from benchmarks.whittle_strategies import checks, line, volume_of

TEXT = bytes(range(32, 127)) * 70


def case_of(supernet: nas.Supernet) -> Case:
    weights = {f"weight.{name}": w.detach().clone() for name, w in supernet.model.named_parameters()}
    blocks = torch.from_numpy(blocks_of(TEXT))
    tensors = {**weights, "train": blocks[:32], "validation": blocks[32:34]}
    return Case(passes=4, evaluated=(FULL, SMALLEST), fractions=(1.0, 0.1), tensors=tensors)


@pytest.fixture(scope="module")
def supernet() -> nas.Supernet:
    return pretrained(1)


def record(row: str, strategy: str, losses: list[float], **facts: Any) -> dict[str, Any]:
    return {"row": row, "strategy": strategy, "losses": losses, **facts}


def test_learning_rate_rises_for_a_tenth_of_the_steps_and_falls_to_zero() -> None:
    shares = [rate / shared.LEARNING_RATE for rate in shared.learning_rates(20)]

    assert shares == pytest.approx([0.5, 1.0, *(left / 18 for left in range(18, 0, -1))])


def test_evaluated_sizes_begin_with_the_ends_and_the_ladder_and_are_fixed() -> None:
    sizes = shared.evaluated_sizes(5)

    assert sizes[: len(LADDER) + 2] == (FULL, *LADDER, SMALLEST)
    assert sizes == shared.evaluated_sizes(5)
    assert all(each.ffn in shared.CHOICES["ffn"] for each in sizes)


def test_ladder_falls_in_parameters(supernet: nas.Supernet) -> None:
    space = space_of(supernet)

    costs = [supernet.cost(config_of(space, s)).num_parameters for s in (FULL, *LADDER, SMALLEST)]

    assert costs == sorted(costs, reverse=True)
    assert costs[0] == sum(weight.numel() for weight in supernet.model.parameters())


def test_sizes_survive_our_spelling(supernet: nas.Supernet) -> None:
    space = space_of(supernet)

    assert [sizes_of(space, config_of(space, sizes)) for sizes in LADDER] == list(LADDER)


def test_space_ends_at_the_sizes_of_both_sides(supernet: nas.Supernet) -> None:
    space = space_of(supernet)

    assert (sizes_of(space, space.smallest()), sizes_of(space, space.largest())) == (SMALLEST, FULL)


def test_every_draw_is_noted(supernet: nas.Supernet) -> None:
    space, drawn = recording_space(supernet)

    sampled = [space.sample(np.random.default_rng(seed)) for seed in range(3)]

    assert drawn == sampled


def test_sandwich_draws_two_sub_networks_a_step(supernet: nas.Supernet) -> None:
    case = case_of(supernet)
    data = dataset_of(case.tensors["train"].numpy())

    facts, drawn = train(supernet_of(case), data, "sandwich", passes=8, seed=0)

    assert (facts["passes"], len(drawn)) == (8, 4)


def test_starting_network_is_the_one_written(supernet: nas.Supernet, tmp_path: Path) -> None:
    written = case_of(supernet)
    save_file(written.tensors, shared.tensor_file(tmp_path))
    shared.write_facts(tmp_path, written)

    read = shared.read_case(tmp_path)

    assert losses_of(supernet_of(read), read) == losses_of(supernet, written)


def test_loss_of_uniform_logits_is_that_of_guessing() -> None:
    logits = torch.zeros(2, shared.BLOCK, shared.VOCABULARY)

    loss = shared.mean_loss([logits], torch.zeros(2, shared.BLOCK, dtype=torch.int64))

    assert loss == pytest.approx(np.log(shared.VOCABULARY))


def test_line_gives_means_over_seeds_and_times_a_pass() -> None:
    losses = [[2.0, *[3.0] * len(LADDER), 3.5], [1.0, *[2.0] * len(LADDER), 2.5]]
    runs = [record("ours", "random", each, passes=10, cpu_s=0.2, seconds=0.3) for each in losses]
    case = Case(passes=10, evaluated=(), fractions=(1.0, *[0.5] * len(LADDER), 0.25), tensors={})

    cells = [cell.strip() for cell in line("ours", "random", runs, case).strip("| ").split("|")]

    assert cells[:6] == ["ours", "random", "10", "1.500 ±0.500", "2.500 ±0.500", "3.000 ±0.500"]
    assert cells[-2:] == ["20.0", "30.0"]


def test_hypervolume_counts_only_what_beats_the_reference() -> None:
    assert volume_of([3.0, 1.0, 5.0], [0.5, 1.0, 0.1]) == pytest.approx((4 - 3) * (1 - 0.5))


def test_checks_name_the_largest_difference_after_equal_draws() -> None:
    before = [
        record("ours", "before", [2.0, 3.0]),
        record("whittle", "before", [2.0, 3.0], logits=0.0, parameters=0.0),
        record("ours, ranked", "before", [2.0, 2.9]),
        record("whittle, ranked", "before", [2.5, 2.9]),
    ]
    trained = [record(row, s, **facts) for s in shared.STRATEGIES for row, facts in _TRAINED.items()]
    case = Case(passes=1, evaluated=(FULL, SMALLEST), fractions=(1.0, 0.1), tensors={})

    text = checks([*before, *trained], case)

    assert "differ from ours by at most 2.0e-01; its CPU time ÷ ours is 1.50" in text
    assert "Ranking by whittle changes the full network's loss by 5.0e-01" in text


_TRAINED: dict[str, dict[str, Any]] = {
    "ours": {"losses": [1.0, 2.0], "cpu_s": 2.0},
    "replay": {"losses": [1.1, 2.2], "cpu_s": 3.0},
}
