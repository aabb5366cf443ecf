"""Handing over a sub-network: an ordinary model folder, proven equal to what was searched."""

from nas.export.facts import ExportFacts
from nas.export.folder import BudgetCheck, ExportReport, export_subnet
from nas.export.verification import VerificationReport, verify_folder

__all__ = [
    "BudgetCheck",
    "ExportFacts",
    "ExportReport",
    "VerificationReport",
    "export_subnet",
    "verify_folder",
]
