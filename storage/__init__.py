"""The ledger of studies, trials, measurements and events: records out, tables in; the only SQL here."""

from __future__ import annotations

from .errors import (
    DatabaseUrlError,
    DiskFullError,
    DuplicateKeyError,
    FencedError,
    LeaseHeldError,
    ReadOnlyError,
    SchemaError,
    StorageFault,
    StudyExistsError,
    TrialStateError,
    UnknownStudyError,
    UnknownTrialError,
    UnreachableError,
    UpgradeError,
)
from .events import EventKind
from .lease_keeper import LeaseKeeper
from .ledger import Ledger
from .records import (
    OPEN_STATES,
    RECOVERY_KINDS,
    AttemptRecord,
    Completion,
    EventRecord,
    LatencyRecord,
    Lease,
    Proposal,
    QualityRecord,
    RecoveryKind,
    RecoveryRecord,
    StudyRecord,
    StudyState,
    TrialRecord,
    TrialState,
)
from .schema import HEAD_REVISION, current_revision, upgrade_database

__all__ = [
    "HEAD_REVISION",
    "OPEN_STATES",
    "RECOVERY_KINDS",
    "AttemptRecord",
    "Completion",
    "DatabaseUrlError",
    "DiskFullError",
    "DuplicateKeyError",
    "EventKind",
    "EventRecord",
    "FencedError",
    "LatencyRecord",
    "Lease",
    "LeaseHeldError",
    "LeaseKeeper",
    "Ledger",
    "Proposal",
    "QualityRecord",
    "ReadOnlyError",
    "RecoveryKind",
    "RecoveryRecord",
    "SchemaError",
    "StorageFault",
    "StudyExistsError",
    "StudyRecord",
    "StudyState",
    "TrialRecord",
    "TrialState",
    "TrialStateError",
    "UnknownStudyError",
    "UnknownTrialError",
    "UnreachableError",
    "UpgradeError",
    "current_revision",
    "upgrade_database",
]
