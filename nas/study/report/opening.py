"""A report from nothing but a database: no supernet and no model is loaded."""

from __future__ import annotations

from pathlib import Path

from nas.study.ledger_errors import translated
from nas.study.report.document import write_report
from nas.study.spec import StudySpec
from nas.study.stored_study import StoredStudy
from storage import Ledger


def report_from(storage: str, name: str, path: str | Path) -> Path:
    """Write the report of a study of a database.

    Raises:
        StudyNotFoundError: there is none of that name.
        StorageError: the database cannot be used.
        ConfigError: there is something to draw, but the extra `report` is not installed.
        OSError: the file cannot be written.
    """
    with translated(), Ledger.open(storage) as ledger:
        spec = StudySpec.from_json(ledger.study(name).spec)
        return write_report(StoredStudy(ledger, name, spec), ledger, path)
