"""The importance methods as a Markdown table: `python -m nas.importance.table`."""

from __future__ import annotations

from typing import Final

from nas.importance.base import Importance
from nas.importance.ranking import AXES
from nas.importance.registry import importance_of, known_importances

_HEADER: Final = (
    "| name | axes | forward passes | backward passes | labels | source |",
    "| --- | --- | --- | --- | --- | --- |",
)


def importance_table() -> str:
    """A row for each method."""
    return "\n".join((*_HEADER, *(_row(importance_of(name)) for name in known_importances())))


def _row(method: Importance) -> str:
    axes = ", ".join(axis for axis in AXES if axis in method.axes)
    forward, backward = method.passes
    labels = "needed" if method.needs_labels else ""
    return f"| `{method.name}` | {axes} | {forward} | {backward} | {labels} | {method.source} |"


if __name__ == "__main__":
    print(importance_table())  # noqa: T201 - a command
