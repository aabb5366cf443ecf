"""Pages of a list that grows while it is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.errors import ConfigError
from nas.service.paging import position_of, token_of
from nas.service.views.columns import TrialColumns
from nas.service.views.pages import OrderedRows, Position, ordered_rows
from storage import TrialRow, TrialState

Value = float | None

#: Few values, so that many are equal; None is a trial without the metric.
VALUES = st.sampled_from([None, -1.5, -0.0, 0.0, 0.1, 0.30000000000000004, 1e300])
SORTS = st.sampled_from([None, "number", "-number", "accuracy", "-accuracy"])
QUERY = {"study": "a", "sort": "accuracy"}


def put(columns: TrialColumns, values: Sequence[Value]) -> None:
    """So many trials more."""
    columns.put(
        [
            TrialRow(
                number=number,
                state=TrialState.DONE,
                origin="sampler",
                told_order=number,
                reason=None,
                metrics={} if value is None else {"accuracy": value},
                costs={},
                ended_at=datetime(2026, 1, 1, tzinfo=UTC),
            )
            for number, value in enumerate(values, start=columns.count)
        ]
    )


def ordered(columns: TrialColumns, sort: str | None) -> OrderedRows:
    return ordered_rows(columns, [], {}, sort=sort, states=())


@given(
    first=st.lists(VALUES, max_size=20),
    added=st.lists(st.lists(VALUES, max_size=4), max_size=30),
    sort=SORTS,
    limit=st.integers(1, 6),
)
def test_rows_that_were_there_all_along_are_seen_once_in_their_order_however_many_are_added(
    first: list[Value], added: list[list[Value]], sort: str | None, limit: int
) -> None:
    columns = TrialColumns()
    put(columns, [0.5, *first])  # one at least has the metric
    whole, more = ordered(columns, sort).rows.tolist(), iter(added)
    seen: list[int] = []
    begin, token = 0, None
    while True:
        rows = ordered(columns, sort)
        last = position_of(token, QUERY)
        begin = 0 if last is None else rows.index_after(last)
        seen += rows.rows[begin : begin + limit].tolist()
        if begin + limit >= len(rows.rows):
            break
        token = token_of(rows.position(begin + limit - 1), QUERY)
        put(columns, next(more, []))
    assert max(Counter(seen).values()) == 1
    assert [number for number in seen if number in set(whole)] == whole


def test_a_page_begins_behind_a_row_that_left_the_list() -> None:
    columns = TrialColumns()
    put(columns, [0.1, 0.2, 0.3, None])
    rows = ordered(columns, "-accuracy")
    gone = Position(number=9, key=-0.25)
    assert rows.rows[rows.index_after(gone) :].tolist() == [1, 0, 3]


@pytest.mark.parametrize(
    "last", [Position(number=0), Position(number=2**63 - 1, key=-0.0), Position(number=3, key=0.1 + 0.2)]
)
def test_a_token_gives_the_position_that_it_was_made_of(last: Position) -> None:
    assert position_of(token_of(last, QUERY), QUERY) == last


def test_the_last_page_has_no_token() -> None:
    assert token_of(None, QUERY) is None


def test_a_token_of_another_order_is_refused() -> None:
    token = token_of(Position(number=1, key=0.5), QUERY)
    with pytest.raises(ConfigError, match="another query"):
        position_of(token, QUERY | {"sort": "-accuracy"})


@pytest.mark.parametrize(
    "last",
    [
        Position(number=-1),
        Position(number=2**63),
        Position(number=1, key=float("nan")),
        Position(number=True),
        Position(number=1, key="a"),  # type: ignore[arg-type]  # as a stranger may write it
    ],
)
def test_what_is_no_position_is_refused(last: Position) -> None:
    with pytest.raises(ConfigError, match="no token"):
        position_of(token_of(last, QUERY), QUERY)
