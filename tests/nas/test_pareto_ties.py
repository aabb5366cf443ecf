from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.errors import ConfigError
from nas.pareto import (
    TieFront,
    dominates,
    dominates_up_to_ties,
    non_dominated,
    non_dominated_up_to_ties,
)


@st.composite
def bounded_sets(draw, *, min_size=0, max_size=10):
    """Bounds `(n, objectives, 2)` of one to four objectives, of which one has intervals; and which one."""
    width = draw(st.integers(1, 4))
    column = draw(st.integers(0, width - 1))
    row = st.tuples(*[st.integers(0, 5)] * width, st.integers(0, 3))
    rows = draw(st.lists(row, min_size=min_size, max_size=max_size))
    bounds = np.array([[(v, v) for v in row[:-1]] for row in rows], dtype=float).reshape(-1, width, 2)
    bounds[:, column, 1] += np.array([row[-1] for row in rows], dtype=float)
    return bounds, column


def by_definition(a: np.ndarray, b: np.ndarray) -> bool:
    """Nowhere surely worse, somewhere surely better."""
    is_worse = any(b_high < a_low for (a_low, _), (_, b_high) in zip(a, b, strict=True))
    is_better = any(a_high < b_low for (_, a_high), (b_low, _) in zip(a, b, strict=True))
    return is_better and not is_worse


def dominators(bounds: np.ndarray) -> list[set[int]]:
    """For each point, those that dominate it."""
    return [{i for i, a in enumerate(bounds) if by_definition(a, b)} for b in bounds]


@given(bounded_sets(min_size=2, max_size=2))
def test_dominance_is_being_nowhere_surely_worse_and_somewhere_surely_better(drawn):
    (a, b), _ = drawn
    assert dominates_up_to_ties(a, b) == by_definition(a, b)


@given(bounded_sets(max_size=12))
def test_dominance_has_no_cycle(drawn):
    bounds, _ = drawn
    worse_than = dominators(bounds)
    left = set(range(len(bounds)))
    while left:
        minimal = {i for i in left if not worse_than[i] & left}
        assert minimal
        left -= minimal


@given(bounded_sets(min_size=1))
def test_undominated_points_exist_and_are_on_the_front(drawn):
    bounds, _ = drawn
    undominated = [not others for others in dominators(bounds)]
    assert any(undominated)
    assert non_dominated_up_to_ties(bounds)[undominated].all()


@given(bounded_sets())
def test_no_member_of_the_front_dominates_another(drawn):
    bounds, _ = drawn
    front = bounds[non_dominated_up_to_ties(bounds)]
    assert not any(dominators(front))


@given(bounded_sets())
def test_every_other_point_is_dominated_by_a_member_of_the_front(drawn):
    bounds, _ = drawn
    members = set(np.flatnonzero(non_dominated_up_to_ties(bounds)).tolist())
    for point, others in enumerate(dominators(bounds)):
        assert point in members or others & members


@given(bounded_sets(), st.randoms(use_true_random=False))
def test_the_front_follows_the_points_when_they_are_shuffled(drawn, random):
    bounds, _ = drawn
    order = list(range(len(bounds)))
    random.shuffle(order)
    assert (
        non_dominated_up_to_ties(bounds[order]).tolist() == non_dominated_up_to_ties(bounds)[order].tolist()
    )


@given(bounded_sets())
def test_without_intervals_it_is_the_pareto_front(drawn):
    exact = drawn[0][..., :1].repeat(2, axis=2)
    assert non_dominated_up_to_ties(exact).tolist() == non_dominated(exact[..., 0]).tolist()
    for a, b in itertools.pairwise(exact):
        assert dominates_up_to_ties(a, b) == dominates(a[:, 0], b[:, 0])


@given(bounded_sets())
def test_a_growing_front_is_that_of_all_points_so_far(drawn):
    bounds, column = drawn
    front: TieFront[int] = TieFront(bounds.shape[1], uncertain=column)
    for count, point in enumerate(bounds, start=1):
        front.add(point, count - 1)
        assert front.ids == tuple(np.flatnonzero(non_dominated_up_to_ties(bounds[:count])))
    assert len(front) == len(front.ids)


@given(bounded_sets())
def test_a_growing_front_that_is_read_at_the_end_only_is_the_same(drawn):
    bounds, column = drawn
    front: TieFront[int] = TieFront(bounds.shape[1], uncertain=column)
    for row, point in enumerate(bounds):
        front.add(point, row)
    assert front.ids == tuple(np.flatnonzero(non_dominated_up_to_ties(bounds)))


FASTER = [(0.5, 0.5), (4.0, 6.0)]
SLOWER = [(0.5, 0.5), (5.0, 7.0)]
BETTER = [(0.4, 0.4), (5.0, 7.0)]
SURELY_SLOWER = [(0.4, 0.4), (6.5, 8.0)]


def test_a_tie_alone_removes_neither_point():
    assert non_dominated_up_to_ties([FASTER, SLOWER]).tolist() == [True, True]


def test_a_tie_does_not_protect_what_is_worse_in_the_rest():
    assert non_dominated_up_to_ties([FASTER, BETTER]).tolist() == [False, True]


def test_what_is_surely_faster_is_not_dominated():
    assert non_dominated_up_to_ties([FASTER, SURELY_SLOWER]).tolist() == [True, True]


def test_intervals_that_touch_are_a_tie():
    assert non_dominated_up_to_ties([[(1.0, 2.0)], [(2.0, 3.0)]]).tolist() == [True, True]


def test_a_chain_of_ties_along_the_trade_off_keeps_both_its_ends():
    # Each point is beaten by the next, which ties with it; undominated is the last one alone.
    chain = [[(10.0 - i, 10.0 - i), (float(i), i + 1.5)] for i in range(5)]
    assert [bool(others) for others in dominators(np.array(chain))] == [True, True, True, True, False]
    assert non_dominated_up_to_ties(chain).tolist() == [True, False, True, False, True]


def test_a_point_comes_back_when_what_dominated_it_is_dominated():
    front: TieFront[str] = TieFront(2, uncertain=1)
    front.add([(0.5, 0.5), (0.0, 1.5)], "fast")
    front.add([(0.4, 0.4), (1.0, 2.5)], "middle")
    assert front.ids == ("middle",)
    front.add([(0.3, 0.3), (2.0, 3.5)], "slow")
    assert front.ids == ("fast", "slow")


def test_four_points_with_two_uncertain_objectives_may_dominate_in_a_circle():
    circle = np.array(
        [[(0, 0), (2, 2)], [(1, 1), (-10, 10)], [(2, 2), (0, 0)], [(0, 10), (1, 1)]], dtype=float
    )
    assert all(by_definition(circle[i], circle[(i + 1) % 4]) for i in range(4))
    with pytest.raises(ConfigError, match=r"\[0, 1\] have intervals; only one may"):
        non_dominated_up_to_ties(circle)


@pytest.mark.parametrize(
    ("bounds", "match"),
    [
        ([(2.0, 1.0), (0.0, 0.0)], "lower end is above"),
        ([(1.0, 2.0), (0.0, 0.0)], "only 1 may have one"),
        ([(1.0, 1.0)], "1 objectives; the front has 2"),
        ([1.0, 1.0], "shape"),
        ([(1.0, float("nan")), (0.0, 0.0)], "finite"),
    ],
)
def test_bounds_that_do_not_fit_the_front_are_refused(bounds, match):
    with pytest.raises(ConfigError, match=match):
        TieFront(2, uncertain=1).add(bounds, "a")


def test_an_id_is_added_once():
    front: TieFront[str] = TieFront(1)
    front.add([(1.0, 1.0)], "a")
    with pytest.raises(ConfigError, match="'a' was added already"):
        front.add([(0.0, 0.0)], "a")


@pytest.mark.parametrize(("number", "uncertain"), [(0, None), (2, 2), (2, -1)])
def test_a_front_of_no_objective_or_with_intervals_nowhere_is_refused(number, uncertain):
    with pytest.raises(ConfigError, match=r"at least 1|allowed are 0 to 1"):
        TieFront(number, uncertain=uncertain)
