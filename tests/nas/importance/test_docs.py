"""The docs on importance do what they say."""

from __future__ import annotations

from pathlib import Path

from nas.importance.table import importance_table

DOCS = Path(__file__).parents[3] / "docs"


def test_the_table_of_methods_is_that_of_the_registry() -> None:
    page = (DOCS / "importance.md").read_text(encoding="utf-8")
    assert importance_table() in page, "write the output of python -m nas.importance.table into the page"
