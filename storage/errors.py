"""Every error that storage raises on purpose; one root, positional arguments, safe to pickle."""

from __future__ import annotations


class StorageFault(Exception):  # noqa: N818  # nas has a StorageError of its own, which wraps these
    """Root of the errors of this package."""


class DatabaseUrlError(StorageFault, ValueError):
    """The database URL names something that studies can't be kept in."""

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(url, problem)

    def __str__(self) -> str:
        url, problem = self.args
        return f"database URL {url!r}: {problem}"


class UnreachableError(StorageFault):
    """The database did not answer, or the connection broke, also after the bounded retries."""

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(url, problem)

    def __str__(self) -> str:
        url, problem = self.args
        return f"database {url} can't be reached: {problem}"


class UnusableError(UnreachableError):
    """The file is no database, is damaged, or can't be opened: waiting does not help."""


class DiskFullError(StorageFault):
    """The disk of the database is full; the transaction was rolled back, what was acknowledged is kept."""

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(url, problem)

    def __str__(self) -> str:
        url, problem = self.args
        return f"the disk of database {url} is full ({problem}): free some space, then resume the study"


class ReadOnlyError(StorageFault):
    """The database refuses writes, or refuses them to this user."""

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(url, problem)

    def __str__(self) -> str:
        url, problem = self.args
        return (
            f"database {url} takes no writes ({problem}): make an SQLite file and its folder writable for "
            "this user, GRANT the rights on PostgreSQL's tables, or give the URL of another database"
        )


class SchemaError(StorageFault):
    """The tables of the database are of another version than this package.

    Attributes:
        found: revision of the database, None when its tables bear none.
        expected: revision that this package reads and writes.
    """

    def __init__(self, url: str, found: str | None, expected: str) -> None:
        super().__init__(url, found, expected)
        self.found = found
        self.expected = expected

    @property
    def is_newer(self) -> bool:
        """Whether the database was written by a newer version of this package."""
        return self.found is not None and self.found > self.expected

    def __str__(self) -> str:
        url = self.args[0]
        if self.found is None:
            return (
                f"database {url} holds tables named nas_… without a revision, so they are not ours: "
                "give the URL of another database"
            )
        if self.is_newer:
            return (
                f"database {url} was written by a newer version (schema {self.found}; this one knows up to "
                f"{self.expected}): upgrade this package"
            )
        return (
            f"database {url} has the older schema {self.found}, this version needs {self.expected}: "
            f"run `nas db upgrade {url}`"
        )


class UpgradeError(StorageFault):
    """Rows of the database refer to others that are not there, so that its tables were left as they are."""

    def __init__(self, url: str, tables: tuple[str, ...]) -> None:
        super().__init__(url, tables)

    def __str__(self) -> str:
        url, tables = self.args
        return (
            f"database {url} was not upgraded: rows of {', '.join(tables)} refer to rows that are missing; "
            "run `PRAGMA foreign_key_check` in it to see them, restore a copy of the file or delete them"
        )


class StudyExistsError(StorageFault, ValueError):
    """A study of that name is already stored."""

    def __init__(self, name: str) -> None:
        super().__init__(name)

    def __str__(self) -> str:
        return f"study {self.args[0]!r} exists: resume it, delete it, or choose another name"


class UnknownStudyError(StorageFault, KeyError):
    """No study of that name or number is stored."""

    def __init__(self, study: str | int, known: tuple[str, ...] = ()) -> None:
        super().__init__(study, known)

    def __str__(self) -> str:
        study, known = self.args
        listed = ", ".join(known) if known else "none"
        return f"no study {study!r} is stored; stored studies: {listed}"


class UnknownTrialError(StorageFault, KeyError):
    """The study has no trial of that number."""

    def __init__(self, study_id: int, number: int) -> None:
        super().__init__(study_id, number)

    def __str__(self) -> str:
        study_id, number = self.args
        return f"study {study_id} has no trial {number}: trials are numbered from 0 as they are proposed"


class TrialStateError(StorageFault, ValueError):
    """The trial's state does not allow the change."""

    def __init__(self, study_id: int, number: int, state: str, allowed: tuple[str, ...]) -> None:
        super().__init__(study_id, number, state, allowed)

    def __str__(self) -> str:
        study_id, number, state, allowed = self.args
        return (
            f"trial {number} of study {study_id} is {state}, the change is allowed in "
            f"{' or '.join(allowed)}: read the trial again"
        )


class DuplicateKeyError(StorageFault, ValueError):
    """A proposed sub-network is already a trial of the study."""

    def __init__(self, study_id: int, keys: tuple[str, ...]) -> None:
        super().__init__(study_id, keys)

    def __str__(self) -> str:
        study_id, keys = self.args
        return (
            f"study {study_id} already has a trial for one of the sub-networks {', '.join(keys)}: "
            "propose it with state DUPLICATE and reused_from"
        )


class LeaseHeldError(StorageFault):
    """Another driver holds the study.

    Attributes:
        owner: the holder, as it named itself.
        remaining_s: seconds until its lease is over, unless it renews.
    """

    def __init__(self, study: str | int, owner: str, remaining_s: float) -> None:
        super().__init__(study, owner, remaining_s)
        self.owner = owner
        self.remaining_s = remaining_s

    def __str__(self) -> str:
        return (
            f"study {self.args[0]!r} is held by {self.owner!r} for another {self.remaining_s:.1f} s: "
            "stop that driver, or wait until its lease is over"
        )


class FencedError(StorageFault):
    """The lease is over: another driver took the study, or this one released it.

    Attributes:
        epoch: epoch of the refused lease.
        current_epoch: epoch of the study now.
        current_owner: holder of the study now, None when nobody holds it.
    """

    def __init__(self, study_id: int, epoch: int, current_epoch: int, current_owner: str | None) -> None:
        super().__init__(study_id, epoch, current_epoch, current_owner)
        self.epoch = epoch
        self.current_epoch = current_epoch
        self.current_owner = current_owner

    def __str__(self) -> str:
        holder = "nobody" if self.current_owner is None else repr(self.current_owner)
        return (
            f"the lease on study {self.args[0]} with epoch {self.epoch} is over: {holder} holds epoch "
            f"{self.current_epoch}; finished results are still accepted, acquire the study to propose"
        )


class UnknownJobError(StorageFault, KeyError):
    """No job of that number is stored."""

    def __init__(self, job_id: int, open_jobs: tuple[int, ...] = ()) -> None:
        super().__init__(job_id, open_jobs)

    def __str__(self) -> str:
        job_id, open_jobs = self.args
        listed = ", ".join(map(str, open_jobs)) if open_jobs else "none"
        return f"no job {job_id} is stored; jobs that have not ended: {listed}"


class JobStateError(StorageFault, ValueError):
    """The job has ended for good."""

    def __init__(self, job_id: int, state: str) -> None:
        super().__init__(job_id, state)

    def __str__(self) -> str:
        job_id, state = self.args
        return f"job {job_id} is {state}, which is final: start another job on the same study to go on"


class JobHeldError(LeaseHeldError):
    """Another supervisor sees to the job."""

    def __init__(self, job_id: int, owner: str, remaining_s: float) -> None:
        super().__init__(job_id, owner, remaining_s)

    def __str__(self) -> str:
        return (
            f"job {self.args[0]} is held by {self.owner!r} for another {self.remaining_s:.1f} s: "
            "stop that supervisor, or wait until its lease is over"
        )


class JobFencedError(FencedError):
    """The lease on the job is over: another supervisor took it, or this one released it."""

    def __str__(self) -> str:
        holder = "nobody" if self.current_owner is None else repr(self.current_owner)
        return (
            f"the lease on job {self.args[0]} with epoch {self.epoch} is over: {holder} holds epoch "
            f"{self.current_epoch}; end this supervisor"
        )


class OpenJobError(StorageFault, ValueError):
    """The study has a search job that has not ended.

    Attributes:
        job_id: of that job.
    """

    def __init__(self, study: str, job_id: int) -> None:
        super().__init__(study, job_id)
        self.job_id = job_id

    def __str__(self) -> str:
        study, job_id = self.args
        return (
            f"study {study!r} has job {job_id}, which has not ended: resume that one, change its budget, or "
            "cancel it first"
        )


class IdempotencyConflictError(StorageFault, ValueError):
    """The key of a submission was used for another request."""

    def __init__(self, key: str, job_id: int) -> None:
        super().__init__(key, job_id)

    def __str__(self) -> str:
        key, job_id = self.args
        return f"idempotency key {key!r} was used for another request, job {job_id}: take a new key"


class QuotaError(StorageFault):
    """The account has as many open jobs as it may."""

    def __init__(self, account: str, open_jobs: int, max_open: int) -> None:
        super().__init__(account, open_jobs, max_open)

    def __str__(self) -> str:
        account, open_jobs, max_open = self.args
        return (
            f"account {account!r} has {open_jobs} jobs that have not ended, allowed are {max_open}: wait for "
            "one to end, or cancel one"
        )


class TokenExistsError(StorageFault, ValueError):
    """Another token has that id."""

    def __init__(self, token_id: str) -> None:
        super().__init__(token_id)

    def __str__(self) -> str:
        return f"token {self.args[0]!r} exists and is another one: draw a new id"


class UnknownTokenError(StorageFault, KeyError):
    """No token of that id is stored."""

    def __init__(self, token_id: str) -> None:
        super().__init__(token_id)

    def __str__(self) -> str:
        return f"no token {self.args[0]!r} is stored: list the tokens to see their ids"


class UnknownTargetError(StorageFault, KeyError):
    """No target of that name is stored."""

    def __init__(self, name: str, known: tuple[str, ...] = ()) -> None:
        super().__init__(name, known)

    def __str__(self) -> str:
        name, known = self.args
        listed = ", ".join(known) if known else "none"
        return f"no target {name!r} is stored; stored targets: {listed}"


class NumberError(StorageFault, ValueError):
    """The study gives other numbers next than the proposals expect."""

    def __init__(self, study_id: int, expected: int, next_number: int) -> None:
        super().__init__(study_id, expected, next_number)

    def __str__(self) -> str:
        study_id, expected, next_number = self.args
        return (
            f"proposals for study {study_id} expect number {expected}, the next one is {next_number} and the "
            "trials stored since are others: read the trials again"
        )
