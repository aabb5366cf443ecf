"""How a run of a driver ended: the code that its process exits with, and what its supervisor is told."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import asdict, dataclass
from typing import Final

from nas.errors import (
    ConfigError,
    InfeasibleError,
    NasError,
    StorageError,
    StudyNotFoundError,
    TargetUnavailableError,
    UnsupportedModelError,
)
from storage import DatabaseUrlError, DiskFullError, JobState, ReadOnlyError, SchemaError, StorageFault

FINISHED: Final = 0
FAILED: Final = 1
#: Worth another start: the database or the Ray cluster cannot be reached, or another driver has the study.
TEMPORARY: Final = 75
#: Another start would end the same way.
REFUSED: Final = 78

_UNREACHABLE: Final = StorageError.exit_code
_INTERRUPTED: Final = 130
_LONGEST_REASON: Final = 500
_REFUSALS: Final = (ConfigError, UnsupportedModelError, InfeasibleError, StudyNotFoundError)
_PASSING: Final = (StorageError, TargetUnavailableError, StorageFault)
_WRONG_DATABASE: Final = (DatabaseUrlError, ReadOnlyError, SchemaError)


@dataclass(frozen=True, kw_only=True, slots=True)
class DriverOutcome:
    """What a driver says when it ends.

    Attributes:
        state: COMPLETED, PAUSED, CANCELLED or FAILED.
        search_code: exit code that `nas search run` would have ended with.
        process_code: exit code of the driver's process.
        reason: for people.
    """

    state: JobState
    search_code: int = FINISHED
    process_code: int = FINISHED
    reason: str | None = None

    def send(self, descriptor: int) -> None:
        """Write it into a pipe, in one piece, and close that."""
        with os.fdopen(descriptor, "w", encoding="utf-8") as pipe:
            json.dump(asdict(self), pipe)


def received(text: str) -> DriverOutcome | None:
    """What a driver wrote into its pipe; None if it died before."""
    if not text:
        return None
    values = json.loads(text)
    return DriverOutcome(**{**values, "state": JobState(values["state"])})


def failure(error: BaseException) -> DriverOutcome:
    """How a run ended that raised an error."""
    if isinstance(error, KeyboardInterrupt):
        return DriverOutcome(
            state=JobState.PAUSED, search_code=_INTERRUPTED, process_code=FAILED, reason="interrupted"
        )
    code = error.exit_code if isinstance(error, NasError) else FAILED
    if isinstance(error, StorageFault):
        code = _UNREACHABLE
    text = str(error) if isinstance(error, NasError | StorageFault) else f"{type(error).__name__}: {error}"
    return DriverOutcome(
        state=JobState.PAUSED if _is_full_disk(error) else JobState.FAILED,
        search_code=code,
        process_code=_process_code(error),
        reason=text[:_LONGEST_REASON],
    )


def _process_code(error: BaseException) -> int:
    if isinstance(_fault(error), _WRONG_DATABASE) or isinstance(error, _REFUSALS):
        return REFUSED
    if isinstance(error, _PASSING) or _is_full_disk(error):
        return TEMPORARY
    return FAILED


def _is_full_disk(error: BaseException) -> bool:
    fault = _fault(error)
    return isinstance(fault, DiskFullError) or (isinstance(fault, OSError) and fault.errno == errno.ENOSPC)


def _fault(error: BaseException) -> BaseException | None:
    """What storage or the system raised, below the error that users see."""
    if isinstance(error, StorageFault | OSError):
        return error
    return error.__cause__
