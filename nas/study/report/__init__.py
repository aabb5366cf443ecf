"""The report of a study: what its database tells, as one HTML page."""

from __future__ import annotations

from nas.study.report.document import document_of, write_report

__all__ = ["document_of", "write_report"]
