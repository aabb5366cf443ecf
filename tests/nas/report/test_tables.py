"""Tables of notebooks: the same of a study in a database and of one at a service."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from nas.report.markup import Markup
from nas.report.tables import cost_table, front_table, html_table, trial_table


def cells(page: str) -> list[list[str]]:
    return [[cell.text or "" for cell in row] for row in ElementTree.fromstring(f"<p>{page}</p>").iter("tr")]


@pytest.mark.parametrize(
    "page",
    [
        html_table("<x>", [("<x>",)], head=("<x>",)),
        trial_table(1, "DONE", "<x>", {"<x>": 1.0}),
        front_table("<x>", ["<x>"], [(1, "<x>", [1.0])]),
        cost_table("<x>", 1, {"<x>": {"<x>": 1.0}}),
    ],
)
def test_every_text_is_escaped(page: str) -> None:
    assert "<x>" not in page
    assert page.count("&lt;x&gt;") >= 2


def test_a_table_without_titles_of_columns_has_rows_only() -> None:
    assert cells(html_table("t", [("a", "b")])) == [["a", "b"]]


def test_a_picture_stands_between_title_and_table() -> None:
    page = html_table("t", [("a",)], picture=Markup("<svg/>"))
    assert page == "<h4>t</h4><svg/><table><tr><td>a</td></tr></table>"


def test_a_front_has_a_column_for_each_objective() -> None:
    page = front_table("t", ["max accuracy", "min cost"], [(3, "2 layers", [0.7512345, 1e6])])
    assert cells(page) == [
        ["trial", "architecture", "max accuracy", "min cost"],
        ["3", "2 layers", "0.75123", "1e+06"],
    ]


def test_costs_have_a_column_for_each_point() -> None:
    page = cost_table("uniform", 1200, {"smallest": {"flops": 1e6}, "full": {"flops": 2e6}})
    assert "Space uniform: 1,200 points" in page
    assert cells(page) == [["cost", "smallest", "full"], ["flops", "1,000,000", "2,000,000"]]


def test_a_space_without_points_has_a_table_without_rows() -> None:
    assert cells(cost_table("uniform", 0, {})) == [["cost"]]
