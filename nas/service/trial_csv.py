"""Trials as lines of CSV, read a page at a time."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any, Final

from nas.service.views import StudyView
from nas.study.selection import Rows
from nas.study.trial import Trial

_PAGE: Final = 500
_FACTS: Final = (
    "number",
    "state",
    "origin",
    "is_feasible",
    "layers",
    "heads",
    "ffn",
    "hidden",
    "portability",
)
#: Spreadsheets take text that begins with these for a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def csv_lines(view: StudyView, rows: Rows) -> Iterator[str]:
    """A heading, then the trials of some numbers; a metric that one lacks is left empty."""
    metrics = view.metrics
    yield _written([[*_FACTS, *metrics, "reason"]])
    for first in range(0, len(rows), _PAGE):
        trials = view.trials(rows[first : first + _PAGE].tolist())
        yield _written([_cells(trial, metrics) for trial in trials])


def _cells(trial: Trial, metrics: Sequence[str]) -> list[Any]:
    sizes = trial.sizes
    facts = (trial.number, trial.state.value, _plain(trial.origin), str(trial.is_feasible).lower())
    kept = (sizes.layers, sizes.heads, sizes.ffn, sizes.hidden, trial.portability)
    return [*facts, *map(_plain, kept), *(trial.metrics.get(name) for name in metrics), _plain(trial.reason)]


def _plain(text: str | None) -> str | None:
    return f"'{text}" if text is not None and text.startswith(_FORMULA) else text


def _written(lines: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    return text.getvalue()
