"""Sizes of layers by score, under a budget that the extracted model keeps."""

from __future__ import annotations

import functools
import itertools
from typing import Any, get_args

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoConfig

from nas.errors import ConfigError, InfeasibleError
from nas.families import family_of
from nas.importance import knapsack
from nas.importance.allocation import Allocation, allocate, layer_sparsities
from nas.importance.base import Scores
from search_spaces import LayerUnits, ModelShape, SubnetConfig, Workload, cost
from search_spaces.units import count

METHODS = get_args(Allocation)
SIZES = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 10,
    "vocab_size": 40,
    "max_position_embeddings": 8,
}
T5 = {
    "d_model": 24,
    "d_kv": 6,
    "d_ff": 10,
    "num_layers": 2,
    "num_decoder_layers": 2,
    "num_heads": 4,
    "vocab_size": 40,
}
#: Phi's two sub-layers share a norm; T5's blocks share their heads.
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("AutoModel", SIZES),
    "llama": ("AutoModelForCausalLM", SIZES | {"num_key_value_heads": 2, "head_dim": 6}),
    "phi": ("AutoModelForCausalLM", SIZES),
    "t5": ("AutoModelForSeq2SeqLM", T5),
}
kinds = pytest.mark.parametrize("kind", CASES)
methods = pytest.mark.parametrize("method", METHODS)


@functools.cache
def shape_of(kind: str) -> ModelShape:
    """Shape of a tiny model without weights."""
    auto, sizes = CASES[kind]
    with torch.device("meta"):
        model = getattr(transformers, auto).from_config(AutoConfig.for_model(kind, **sizes))
    return family_of(kind).describe(model)


def random_scores(shape: ModelShape, seed: int = 0) -> Scores:
    """Positive scores of every axis."""
    generator = np.random.default_rng(seed)
    return Scores(
        heads=[generator.random(full.num_attention_heads) for full in shape.layers],
        ffn=[generator.random(full.intermediate_size) for full in shape.layers],
        layers=generator.random(shape.num_hidden_layers),
    )


def parameters(shape: ModelShape, config: SubnetConfig) -> int:
    return cost(shape, config, Workload()).num_parameters


def _smallest(shape: ModelShape, scores: Scores, method: Allocation, step: int) -> int:
    """Parameters of the smallest allocation, as the error names them."""
    with pytest.raises(InfeasibleError) as caught:
        allocate(scores, shape, budget=1e-6, method=method, ffn_step=step)
    return int(str(caught.value.nearest).split()[-1])


def sizes(config: SubnetConfig) -> list[tuple[int, int]]:
    return [(0, 0) if u is None else (count(u.heads), count(u.ffn)) for u in config.layers]


@kinds
@methods
@given(seed=st.integers(0, 50), budget=st.floats(0.5, 1.0), step=st.sampled_from([1, 3, 5]))
@settings(max_examples=15)
def test_an_allocation_keeps_its_budget_and_is_legal(
    method: Allocation, kind: str, seed: int, budget: float, step: int
) -> None:
    shape = shape_of(kind)
    full = parameters(shape, SubnetConfig.full(shape))
    smallest = _smallest(shape, random_scores(shape, seed), method, step)
    if smallest > budget * full:
        with pytest.raises(InfeasibleError):
            allocate(random_scores(shape, seed), shape, budget=budget, method=method, ffn_step=step)
        return
    config = allocate(random_scores(shape, seed), shape, budget=budget, method=method, ffn_step=step)
    assert config == config.canonical(shape)
    assert parameters(shape, config) <= budget * full
    for units, layer in zip(config.layers, shape.layers, strict=True):
        if units is not None:
            assert units.heads == 0 or units.queries == layer.queries_per_head
            assert count(units.ffn) % step == 0 or units.ffn == layer.intermediate_size
    assert all(any(config.layers[index] is not None for index in stack) for stack in shape.stacks)


@kinds
@methods
def test_the_whole_budget_keeps_the_whole_model(method: Allocation, kind: str) -> None:
    shape = shape_of(kind)
    assert allocate(random_scores(shape), shape, budget=1.0, method=method) == SubnetConfig.full(shape)


@kinds
@methods
def test_a_larger_budget_keeps_no_fewer_parameters(method: Allocation, kind: str) -> None:
    shape, scores = shape_of(kind), random_scores(shape_of(kind))
    kept = [
        parameters(shape, allocate(scores, shape, budget=budget, method=method))
        for budget in (0.75, 0.9, 1.0)
    ]
    assert kept == sorted(kept)
    assert kept[0] < kept[-1]


@methods
def test_scores_may_come_before_or_after_sorting(method: Allocation) -> None:
    shape = shape_of("llama")
    scores = random_scores(shape)
    assert scores.heads is not None
    assert scores.ffn is not None
    order = [np.argsort(-row.reshape(2, 2).sum(axis=1)) for row in scores.heads]
    sorted_scores = Scores(
        heads=[row.reshape(2, 2)[best].reshape(-1) for row, best in zip(scores.heads, order, strict=True)],
        ffn=[np.sort(row)[::-1] for row in scores.ffn],
        layers=scores.layers,
    )
    found = [allocate(s, shape, budget=0.75, method=method) for s in (scores, sorted_scores)]
    assert found[0] == found[1]


def test_uniform_keeps_the_same_of_every_layer_and_needs_no_scores() -> None:
    config = allocate(Scores(), shape_of("bert"), budget=0.8, method="uniform", ffn_step=2)
    assert len(set(config.layers)) == 1


def test_global_keeps_the_sub_layer_whose_units_stand_out() -> None:
    """Standardised scores do not see the scale of a layer, but how many of its units are outstanding."""
    shape = shape_of("bert")
    flat, steep = np.full(10, 5.0), np.full(10, 5.0)
    steep[:8] = 50.0
    scores = Scores(heads=[np.full(4, 3.0)] * 3, ffn=[flat, steep, 100 * steep])
    kept = sizes(allocate(scores, shape, budget=0.75, method="global"))
    assert kept[1][1] == kept[2][1] == 8
    assert kept[0][1] < 8


def test_global_counts_units_by_their_own_parameters() -> None:
    """The order of units is that of standardised scores alone; only where it is cut depends on costs."""
    shape, scores = shape_of("bert"), random_scores(shape_of("bert"), 4)
    assert scores.heads is not None
    assert scores.ffn is not None
    kept = sizes(allocate(scores, shape, budget=0.75, method="global"))
    rows = [*scores.heads, *scores.ffn]
    standardised = [np.sort((row - row.mean()) / row.std())[::-1] for row in rows]
    counts = [heads for heads, _ in kept] + [ffn for _, ffn in kept]
    lowest_kept = min(row[number - 1] for row, number in zip(standardised, counts, strict=True) if number)
    highest_left = max(row[n] for row, n in zip(standardised, counts, strict=True) if n < len(row))
    assert lowest_kept >= highest_left


@given(
    importance=st.lists(st.floats(0, 1), min_size=2, max_size=12),
    sparsity=st.floats(0.0, 0.6),
    amplitude=st.floats(0.0, 0.6),
)
def test_sparsities_of_layers_have_the_mean_that_was_asked_for(
    importance: list[float], sparsity: float, amplitude: float
) -> None:
    scores = np.asarray(importance)
    found = layer_sparsities(scores, sparsity, amplitude)
    assert found.mean() == pytest.approx(sparsity, abs=1e-9)
    assert (np.diff(found[np.argsort(scores, kind="stable")]) <= 1e-9).all()


def test_no_layer_loses_more_than_the_source_allows() -> None:
    assert layer_sparsities(np.array([0.0, 1.0]), 0.9, 0.5).tolist() == pytest.approx([0.99, 0.45])


def test_adaptive_keeps_more_of_important_layers() -> None:
    shape = shape_of("bert")
    scores = Scores(layers=np.array([0.1, 0.9, 0.5]))
    kept = sizes(allocate(scores, shape, budget=0.75, method="adaptive"))
    assert kept[0][1] < kept[2][1] < kept[1][1]


def _brute_force(shape: ModelShape, scores: Scores, limit: int, step: int) -> float:
    """The largest sum of scores of all legal allocations."""
    assert scores.heads is not None
    assert scores.ffn is not None
    layers = []
    for index, full in enumerate(shape.layers):
        heads = np.sort(scores.heads[index].reshape(full.num_key_value_heads, -1).sum(axis=1))[::-1]
        ffn = np.sort(scores.ffn[index])[::-1]
        counts = sorted({*range(0, full.intermediate_size, step), full.intermediate_size})
        layers.append(
            [
                (heads[:h].sum() + ffn[:f].sum(), h, f)
                for h in range(full.num_key_value_heads + 1)
                for f in counts
            ]
        )
    best = -np.inf
    for choice in itertools.product(*layers):
        value = sum(option[0] for option in choice)
        if value <= best or any(all(choice[i][1:] == (0, 0) for i in stack) for stack in shape.stacks):
            continue
        if shape.has_shared_heads:
            numbers = {h for _, h, _ in choice if h}
            if len(numbers) > 1 or any(choice[stack.start][1] == 0 for stack in shape.stacks):
                continue
        config = _config(shape, [(h, f) for _, h, f in choice])
        if parameters(shape, config) <= limit:
            best = value
    return best


def _config(shape: ModelShape, kept: list[tuple[int, int]]) -> SubnetConfig:
    layers = tuple(
        LayerUnits(heads=h, queries=full.queries_per_head if h else 0, ffn=f)
        for (h, f), full in zip(kept, shape.layers, strict=True)
    )
    return SubnetConfig(hidden=shape.hidden_size, layers=layers).canonical(shape)


def _value(shape: ModelShape, scores: Scores, config: SubnetConfig) -> float:
    assert scores.heads is not None
    assert scores.ffn is not None
    total = 0.0
    for index, (heads, neurons) in enumerate(sizes(config)):
        full = shape.layers[index]
        total += np.sort(scores.heads[index].reshape(full.num_key_value_heads, -1).sum(axis=1))[::-1][
            :heads
        ].sum()
        total += np.sort(scores.ffn[index])[::-1][:neurons].sum()
    return total


@kinds
@pytest.mark.parametrize("budget", [0.55, 0.7, 0.85])
@pytest.mark.parametrize("seed", [0, 1])
def test_knapsack_finds_what_trying_everything_finds(kind: str, budget: float, seed: int) -> None:
    shape, scores = shape_of(kind), random_scores(shape_of(kind), seed)
    if shape.has_shared_heads:  # the same scores in every block, as ranking makes them
        assert scores.heads is not None
        scores = Scores(heads=[np.mean(scores.heads, axis=0)] * 4, ffn=scores.ffn)
    limit = int(budget * parameters(shape, SubnetConfig.full(shape)))
    best = _brute_force(shape, scores, limit, step=5)
    if best == -np.inf:
        with pytest.raises(InfeasibleError):
            allocate(scores, shape, budget=budget, method="knapsack", ffn_step=5)
        return
    config = allocate(scores, shape, budget=budget, method="knapsack", ffn_step=5)
    assert _value(shape, scores, config) == pytest.approx(best, abs=1e-9)


def test_knapsack_with_fewer_states_than_sums_still_keeps_the_budget(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shape, scores = shape_of("bert"), random_scores(shape_of("bert"))
    best = _value(shape, scores, allocate(scores, shape, budget=0.8, method="knapsack"))
    monkeypatch.setattr(knapsack, "MAX_STATES", 6)
    config = allocate(scores, shape, budget=0.8, method="knapsack")
    assert parameters(shape, config) <= 0.8 * parameters(shape, SubnetConfig.full(shape))
    assert 0.7 * best < _value(shape, scores, config) <= best


@methods
def test_an_infeasible_budget_says_the_smallest_reachable(method: Allocation) -> None:
    shape, scores = shape_of("bert"), random_scores(shape_of("bert"))
    full = parameters(shape, SubnetConfig.full(shape))
    smallest = _smallest(shape, scores, method, 1)
    with pytest.raises(InfeasibleError, match=f"no {method} allocation .* smallest has {smallest},"):
        allocate(scores, shape, budget=(smallest - 1) / full, method=method)
    config = allocate(scores, shape, budget=(smallest + 0.5) / full, method=method)
    assert parameters(shape, config) == smallest


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "evolved"}, "unknown allocation 'evolved'; allowed are uniform, global"),
        ({"budget": 1.5}, "budget 1.5 is not allowed"),
        ({"budget": 0.0}, "budget 0.0 is not allowed"),
        ({"ffn_step": 0}, "ffn_step 0 is not allowed"),
        ({"method": "adaptive"}, "adaptive needs scores of layers"),
    ],
)
def test_what_is_not_allowed_is_refused(changes: dict[str, Any], message: str) -> None:
    shape = shape_of("bert")
    scores = Scores(heads=random_scores(shape).heads, ffn=random_scores(shape).ffn)
    with pytest.raises(ConfigError, match=message):
        allocate(scores, shape, **({"budget": 0.8} | changes))


def test_global_without_scores_of_heads_is_refused() -> None:
    shape = shape_of("bert")
    with pytest.raises(ConfigError, match="global needs scores of heads"):
        allocate(Scores(ffn=random_scores(shape).ffn), shape, budget=0.8)
