"""Which sub-networks a step trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nas.errors import ConfigError
from nas.supernet import Supernet
from nas.training import (
    Alternating,
    Budget,
    FixedStrategy,
    LayerDrop,
    Pass,
    Progressive,
    RandomStrategy,
    Sorted,
    Step,
    Strategy,
    TrainOptions,
    known_strategies,
    strategy_of,
    train_supernet,
)
from search_spaces import Workload, cost, sampler_of

MakeSupernet = Callable[..., Supernet]


def _step(
    supernet: Supernet,
    strategy: Strategy,
    *,
    seed: int = 0,
    number: int = 0,
    num_steps: int = 10,
    kind: str = "uniform",
) -> Step:
    space = supernet.space(kind)
    return Step(
        number=number,
        num_steps=num_steps,
        space=space,
        full=supernet.full,
        sampler=sampler_of("uniform", space),
        generator=np.random.default_rng([seed, number]),
        draws_before=strategy.draws_before(number),
    )


def _passes(strategy: str | Strategy, supernet: Supernet, **step: Any) -> list[Pass]:
    chosen = strategy_of(strategy) if isinstance(strategy, str) else strategy
    return list(chosen.passes(_step(supernet, chosen, **step)))


@pytest.mark.parametrize("name", known_strategies())
@pytest.mark.parametrize("kind", ["uniform", "medium"])
def test_every_step_has_the_promised_number_of_passes(
    name: str, kind: str, make_supernet: MakeSupernet
) -> None:
    supernet, strategy = make_supernet(), strategy_of(name)
    promised = strategy.passes_by_step(10, supernet.space(kind))
    found = [len(_passes(name, supernet, number=number, kind=kind)) for number in range(10)]
    assert found == promised.tolist()
    assert max(found) == strategy.passes_a_step


@pytest.mark.parametrize("name", known_strategies())
def test_the_sub_networks_are_a_function_of_seed_and_step(name: str, make_supernet: MakeSupernet) -> None:
    first, again = make_supernet(), make_supernet()
    forwards = [_passes(name, first, seed=3, number=number) for number in range(10)]
    backwards = [_passes(name, again, seed=3, number=number) for number in reversed(range(10))]
    assert forwards == backwards[::-1]


@pytest.mark.parametrize("name", known_strategies())
def test_another_seed_gives_other_sub_networks_where_something_is_drawn(
    name: str, make_supernet: MakeSupernet
) -> None:
    supernet = make_supernet()
    of_seed = [[_passes(name, supernet, seed=seed, number=n) for n in range(10)] for seed in (0, 1)]
    assert (of_seed[0] == of_seed[1]) == (name == "standard")


def test_standard_trains_the_full_network(make_supernet: MakeSupernet) -> None:
    supernet = make_supernet()
    assert _passes("standard", supernet) == [Pass(supernet.full, "labels")]


def test_random_takes_as_many_draws_as_it_is_told(make_supernet: MakeSupernet) -> None:
    passes = _passes(RandomStrategy(count=3), make_supernet(), kind="medium")
    assert len({one.config.key for one in passes}) == 3


def test_random_linear_goes_from_the_full_network_to_random_ones(make_supernet: MakeSupernet) -> None:
    supernet, num_steps = make_supernet(), 200
    passes = [
        _passes("random_linear", supernet, number=n, num_steps=num_steps, kind="medium")[0]
        for n in range(num_steps)
    ]
    is_random = np.array([one.config != supernet.full for one in passes])
    assert not is_random[0]
    # Binomial with means of 25 and 75 of 100 and a standard deviation of 4.
    assert is_random[:100].sum() < 40 < 60 < is_random[100:].sum()


def test_ats_trains_sub_networks_at_even_steps_and_the_full_network_at_odd_ones(
    make_supernet: MakeSupernet,
) -> None:
    supernet = make_supernet()
    steps = [_passes(Alternating(count=2), supernet, number=n, kind="medium") for n in range(6)]
    assert [len(passes) for passes in steps] == [2, 1, 2, 1, 2, 1]
    assert all(passes == [Pass(supernet.full)] for passes in steps[1::2])
    assert all(one.config != supernet.full for passes in steps[::2] for one in passes)


@pytest.mark.parametrize("name", ["sandwich", "sandwich_kd"])
def test_a_sandwich_has_the_full_network_first_and_the_smallest_last(
    name: str, make_supernet: MakeSupernet
) -> None:
    supernet = make_supernet()
    first, *others = _passes(name, supernet)
    assert first == Pass(supernet.full, "labels")
    assert others[-1].config == supernet.space("uniform").smallest()
    assert {one.target for one in others} == {"labels" if name == "sandwich" else "labels+teacher"}


def test_kd_has_the_full_network_first_and_random_students(make_supernet: MakeSupernet) -> None:
    supernet = make_supernet()
    first, student = _passes("kd", supernet, kind="medium")
    assert first == Pass(supernet.full, "labels")
    assert student.target == "labels+teacher"
    assert student.config != supernet.full


def test_sorted_trains_different_members_of_a_nested_list_on_different_mini_batches(
    make_supernet: MakeSupernet,
) -> None:
    supernet, strategy = make_supernet(), Sorted(size=5, batches=3)
    ladder = [strategy.member(rank, _step(supernet, strategy)) for rank in range(5)]
    sizes = [cost(supernet.shape, config, Workload()).num_parameters for config in ladder]
    assert sizes == sorted(set(sizes))
    assert ladder[-1] == supernet.full
    for number in range(10):
        passes = _passes(strategy, supernet, number=number)
        assert [one.batch for one in passes] == [0, 1, 2]
        assert len({one.config.key for one in passes} & {config.key for config in ladder}) == 3


def test_sorted_draws_every_member_equally_often(make_supernet: MakeSupernet) -> None:
    supernet, strategy = make_supernet(), Sorted(size=4, batches=2)
    drawn = [one.config.key for n in range(200) for one in _passes(strategy, supernet, number=n)]
    counts = [drawn.count(key) for key in set(drawn)]
    assert len(counts) == 4
    assert max(counts) - min(counts) < 50  # each has a mean of 100 and a standard deviation of 7


def test_sorted_refuses_a_space_whose_ladder_is_not_nested(make_supernet: MakeSupernet) -> None:
    supernet = make_supernet(num_hidden_layers=5)
    with pytest.raises(ConfigError, match="the layer space keeps other layers"):
        _passes("sorted", supernet, kind="layer")


def test_layerdrop_drops_each_layer_with_its_probability(make_supernet: MakeSupernet) -> None:
    supernet, strategy = make_supernet(num_hidden_layers=6), LayerDrop(probability=0.3)
    kept = [len(_passes(strategy, supernet, number=n)[0].config.kept_layers) for n in range(300)]
    assert np.mean(kept) == pytest.approx(6 * 0.7, abs=0.3)  # standard deviation 0.065


@pytest.mark.parametrize("kind", ["bert", "t5"])
def test_layerdrop_leaves_every_stack_a_layer(kind: str, make_supernet: MakeSupernet) -> None:
    supernet, strategy = make_supernet(kind), LayerDrop(probability=0.95)
    for number in range(50):
        config = _passes(strategy, supernet, number=number)[0].config
        assert config.canonical(supernet.shape) == config
        assert all(set(stack) & set(config.kept_layers) for stack in supernet.shape.stacks)


def test_progressive_opens_depths_and_then_widths(make_supernet: MakeSupernet) -> None:
    supernet, num_steps = make_supernet(num_hidden_layers=4), 100
    steps = [_passes("progressive", supernet, number=n, num_steps=num_steps) for n in range(num_steps)]
    assert [len(passes) for passes in steps[::20]] == [1, 2, 2, 4, 4]
    assert all(one.config == supernet.full for passes in steps[:20] for one in passes)
    depths = [
        {len(one.config.kept_layers) for passes in steps[at : at + 20] for one in passes} for at in (20, 40)
    ]
    assert depths == [{3, 4}, {1, 2, 3, 4}]
    assert {one.config.hidden for passes in steps[:60] for one in passes} == {supernet.shape.hidden_size}
    assert len({one.config.hidden for passes in steps[60:] for one in passes}) > 1


def test_progressive_leaves_out_phases_that_open_nothing(make_supernet: MakeSupernet) -> None:
    space = make_supernet().space("layer")
    assert Progressive().passes_by_step(4, space).tolist() == [1, 1, 2, 2]


def test_given_sub_networks_are_trained_one_after_another_in_equal_shares(
    make_supernet: MakeSupernet,
) -> None:
    supernet = make_supernet()
    configs = tuple(supernet.space("uniform").uniform_ladder(2))
    steps = [_passes(FixedStrategy(configs), supernet, number=n, num_steps=6) for n in range(6)]
    assert [passes[0].config for passes in steps] == [configs[0]] * 3 + [configs[1]] * 3


def test_a_fixed_strategy_without_sub_networks_is_refused() -> None:
    with pytest.raises(ConfigError, match="configs is empty"):
        FixedStrategy(())


def test_learning_from_a_teacher_that_is_not_there_is_refused(
    make_supernet: MakeSupernet, tiny_data: Any
) -> None:
    supernet = make_supernet()
    strategy = FixedStrategy((supernet.space("uniform").smallest(),), target="labels+teacher")
    with pytest.raises(ConfigError, match="give train_supernet a teacher"):
        train_supernet(supernet, tiny_data(), strategy=strategy, budget=Budget(passes=2))


def test_the_number_of_draws_can_be_chosen_by_name() -> None:
    assert strategy_of("kd", count=2).passes_a_step == 3
    with pytest.raises(ConfigError, match=r"standard has no number .* choose one of random, ats, sandwich"):
        strategy_of("standard", count=2)


def test_an_unknown_strategy_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        ConfigError, match=r"unknown strategy 'sandwitch'; allowed are .*did you mean sandwich\?"
    ):
        strategy_of("sandwitch")


def test_a_sampler_that_a_strategy_does_not_ask_is_refused(
    make_supernet: MakeSupernet, tiny_data: Any
) -> None:
    options = TrainOptions(sampler="stratified_params")
    with pytest.raises(ConfigError, match="strategy layerdrop draws nothing from a sampler"):
        train_supernet(
            make_supernet(), tiny_data(), strategy="layerdrop", budget=Budget(passes=2), options=options
        )


def test_stratified_draws_of_a_run_fall_into_all_bins_equally(make_supernet: MakeSupernet) -> None:
    supernet, strategy = make_supernet(), Alternating(count=2)
    space = supernet.space("medium")
    sampler = sampler_of("stratified_params", space)
    counts = np.zeros(20, dtype=int)
    for number in range(0, 40, 2):
        step = _step(supernet, strategy, number=number, num_steps=40, kind="medium")
        chosen = strategy.passes(Step(**{**vars(step), "sampler": sampler}))
        for one in chosen:
            counts[sampler.bin_of(one.config)] += 1  # type: ignore[attr-defined]
    assert counts.tolist() == [2] * 20
