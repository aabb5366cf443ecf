"""Handing over a sub-network: an ordinary model folder, proven equal to what was searched."""

from nas.export.facts import ExportFacts
from nas.export.folder import MAX_SHARD_SIZE, BudgetCheck, ExportReport, export_subnet
from nas.export.hub import push_to_hub
from nas.export.verification import VerificationReport, verify_folder

__all__ = [
    "MAX_SHARD_SIZE",
    "BudgetCheck",
    "ExportFacts",
    "ExportReport",
    "VerificationReport",
    "export_subnet",
    "push_to_hub",
    "verify_folder",
]
