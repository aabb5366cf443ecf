"""The report of a study, section by section."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nas.report.document import Document
from nas.report.page import write_page
from nas.study.ledger_errors import translated
from nas.study.report.architectures import architectures_section
from nas.study.report.baselines import baselines_section
from nas.study.report.commands import commands_section
from nas.study.report.costs import costs_section
from nas.study.report.environment import environment_section
from nas.study.report.front import front_section
from nas.study.report.importances import importances_section
from nas.study.report.progress import progress_section
from nas.study.report.rank_correlation import rank_correlation_section
from nas.study.report.reading import Reading
from nas.study.report.summary import summary_section
from storage import Ledger

if TYPE_CHECKING:
    from nas.study.stored_study import StoredStudy

_SECTIONS = (
    summary_section,
    front_section,
    baselines_section,
    progress_section,
    importances_section,
    architectures_section,
    rank_correlation_section,
    costs_section,
    environment_section,
    commands_section,
)


def write_report(study: StoredStudy, ledger: Ledger, path: str | Path) -> Path:
    """Write the report of a study as one HTML file that needs no network.

    Raises:
        ConfigError: there is something to draw, but the extra `report` is not installed.
        StorageError: the database cannot be read.
        OSError: the file cannot be written.
    """
    return write_page(path, document_of(study, ledger))


def document_of(study: StoredStudy, ledger: Ledger) -> Document:
    """The report of a study as plain data.

    Raises:
        ConfigError: there is something to draw, but the extra `report` is not installed.
        StorageError: the database cannot be read.
    """
    with translated():
        reading = Reading.of(study, ledger)
        sections = tuple(make(reading) for make in _SECTIONS)
    return Document(title=f"Study {study.name}", lead=_lead(reading), sections=sections)


def _lead(reading: Reading) -> str:
    objectives = ", ".join(map(str, reading.objectives))
    if not reading.done:
        return f"A search for {objectives}. No sub-network has been evaluated yet."
    return (
        f"A search for {objectives}: {len(reading.done):,} sub-networks evaluated, of which "
        f"{len(reading.front):,} on the Pareto front."
    )
