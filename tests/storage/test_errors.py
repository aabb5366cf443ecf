from __future__ import annotations

import pickle

import pytest

import storage
from storage import StorageFault
from storage.optuna_export import OptunaStudyExistsError

EXAMPLES = [
    StorageFault("anything"),
    storage.DatabaseUrlError("mysql://", "unknown"),
    storage.UnreachableError("postgresql://h/d", "refused"),
    storage.DiskFullError("sqlite:///a", "full"),
    storage.ReadOnlyError("sqlite:///a", "read-only"),
    storage.SchemaError("sqlite:///a", "0002", "0001"),
    storage.SchemaError("sqlite:///a", "0000", "0001"),
    storage.SchemaError("sqlite:///a", None, "0001"),
    storage.UpgradeError("sqlite:///a", ("nas_attempt",)),
    storage.StudyExistsError("rte"),
    storage.UnknownStudyError("rte", ("a", "b")),
    storage.UnknownTrialError(1, 2),
    storage.TrialStateError(1, 2, "DONE", ("PROPOSED", "RUNNING")),
    storage.DuplicateKeyError(1, ("a", "b")),
    storage.LeaseHeldError("rte", "host:1", 3.5),
    storage.FencedError(1, 2, 3, "host:1"),
    storage.UnknownJobError(1, (2, 3)),
    storage.JobStateError(1, "FAILED"),
    storage.JobHeldError(1, "host:1", 3.5),
    storage.JobFencedError(1, 2, 3, None),
    storage.UnknownTargetError("edge", ("a", "b")),
    storage.NumberError(1, 2, 3),
    storage.OpenJobError("rte", 7),
    storage.IdempotencyConflictError("key", 7),
    storage.QuotaError("alice", 20, 20),
    storage.TokenExistsError("abc"),
    storage.UnknownTokenError("abc"),
    OptunaStudyExistsError("rte", "sqlite:///a"),
    storage.UnusableError("sqlite:///a", "not a database"),
]


def test_every_error_has_an_example_here() -> None:
    leaves = {type(error) for error in EXAMPLES} - {StorageFault}
    assert leaves == subclasses(StorageFault)


def subclasses(kind: type) -> set[type]:
    found = set(kind.__subclasses__())
    return found.union(*(subclasses(one) for one in found))


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling(error: StorageFault) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), copy.args, str(copy), vars(copy)) == (
        type(error),
        error.args,
        str(error),
        vars(error),
    )


def test_a_failed_look_up_is_a_key_error() -> None:
    assert issubclass(storage.UnknownStudyError, KeyError)
    assert issubclass(storage.UnknownTrialError, KeyError)
    assert issubclass(storage.UnknownTokenError, KeyError)
