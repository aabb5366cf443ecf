"""Every error a user can meet; one root, each leaf also a builtin, all of them safe to pickle."""

from __future__ import annotations


class NasError(Exception):
    """Root of all errors raised on purpose."""

    exit_code = 1


class ConfigError(NasError, ValueError):
    """A configuration, option or argument is not allowed."""

    exit_code = 2


class UnsupportedModelError(NasError, ValueError):
    """The model's architecture, or one of its parts, has no family description."""

    exit_code = 2


class InfeasibleError(NasError, ValueError):
    """No sub-network satisfies the constraints.

    Attributes:
        binding: the constraint that cannot be met, as text, or None.
        nearest: what comes nearest to meeting it, as text, or None.
    """

    exit_code = 3

    def __init__(self, message: str, binding: str | None = None, nearest: str | None = None) -> None:
        super().__init__(message, binding, nearest)
        self.binding = binding
        self.nearest = nearest

    def __str__(self) -> str:
        return str(self.args[0])


class StudyNotFoundError(NasError, KeyError):
    """No study of that name is stored."""

    exit_code = 2

    def __str__(self) -> str:
        return str(self.args[0])


class StorageError(NasError, RuntimeError):
    """The database cannot be used: unreachable, too new, or held by another driver."""

    exit_code = 5


class EvaluationFailedError(NasError, RuntimeError):
    """A sub-network could not be evaluated.

    Attributes:
        reason: one of `oom`, `nan`, `timeout`, `worker_lost`, `bug`.
    """

    def __init__(self, message: str, reason: str = "bug") -> None:
        super().__init__(message, reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.args[0]} (reason: {self.reason})"


class TargetUnavailableError(NasError, RuntimeError):
    """The device or runtime that latency should be measured on cannot be reached."""

    exit_code = 5


class ExportVerificationError(NasError, RuntimeError):
    """An exported folder is not equal to the sub-network that was searched."""

    exit_code = 6


class TooManyFailuresError(EvaluationFailedError):
    """More evaluations failed than the search puts up with."""

    exit_code = 4
