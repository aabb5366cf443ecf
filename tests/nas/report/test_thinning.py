from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.report.thinning import thinned


@given(st.integers(0, 60), st.integers(2, 20))
def test_kept_items_are_in_order_with_both_ends(number, most):
    items = list(range(number))
    kept = thinned(items, most)
    assert len(kept) == min(number, most)
    assert kept == sorted(kept)
    assert kept[:1] + kept[-1:] == items[:1] + items[-1:]


@given(st.integers(2, 20))
def test_gaps_differ_by_one_at_most(most):
    kept = thinned(range(100), most)
    gaps = [after - before for before, after in itertools.pairwise(kept)]
    assert max(gaps) - min(gaps) <= 1


def test_fewer_than_both_ends_is_refused():
    with pytest.raises(ValueError, match="give 2 or more"):
        thinned([1, 2, 3], 1)
