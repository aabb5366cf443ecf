"""A service of `nas serve`, used from Python."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from nas.client.address import find_address
from nas.client.connection import PATIENCE_S, Connection
from nas.client.errors import NotFoundError
from nas.client.facts import JobFacts, RemoteProfile, RemoteTarget, StudyFacts
from nas.client.jobs import RemoteJob
from nas.client.paging import each_record
from nas.client.studies import RemoteStudy
from nas.config.documents import read_document
from nas.errors import ConfigError


class Client:
    """A service and what it keeps.

    Reads, and submissions, are repeated for `patience_s` while the service cannot be reached. Errors are
    those of the library: `InfeasibleError`, `StudyNotFoundError`, `ConfigError`, and `StorageError` where
    the service is away.

    Args:
        url: of the service; NAS_SERVER unless given, else http://127.0.0.1:8000.
        token: of `nas token create`; NAS_TOKEN unless given, else what the file of NAS_TOKEN_FILE holds.
        allow_http: send the token unencrypted to another machine.
        patience_s: how long a service may be away, in seconds.

    Raises:
        ConfigError: no URL, or the token would travel unencrypted.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        allow_http: bool = False,
        patience_s: float = PATIENCE_S,
    ) -> None:
        address = find_address(url, token, allow_http=allow_http)
        self._connection = Connection(address, patience_s=patience_s)

    @property
    def url(self) -> str:
        """Of the service."""
        return self._connection.address.url

    def studies(self) -> list[StudyFacts]:
        """The studies that the token may see, newest first."""
        records = each_record(self._connection, "studies", key="studies")
        return [StudyFacts.from_json(record) for record in records]

    def study(self, name: str) -> RemoteStudy:
        """A study.

        Raises:
            StudyNotFoundError: there is none of that name that the token may see.
        """
        found = RemoteStudy(self._connection, name)
        found.facts()
        return found

    def submit(
        self, config: Mapping[str, object] | str | Path, *, idempotency_key: str | None = None
    ) -> RemoteJob:
        """Start a search in the service.

        Args:
            config: a config file, or what one holds; models and data are names that the service knows.
            idempotency_key: said again with the same config, it gives the same job; a new one unless given,
                so that a broken connection starts no second search.

        Raises:
            ConfigError: the service does not allow a key or value of the config.
            ConflictError: the study is searched already, or the key was used for another config.
            QuotaError: too many jobs of this account are open.
        """
        key = idempotency_key or uuid.uuid4().hex
        record = self._connection.post("jobs", body={"config": document_of(config)}, key=key)
        return RemoteJob(self._connection, JobFacts.from_json(record))

    def jobs(
        self, *, study: str | None = None, state: str | None = None, kind: str | None = None
    ) -> list[RemoteJob]:
        """Jobs that the token may see, newest first.

        Args:
            study: that they work on.
            state: QUEUED, RUNNING, PAUSED, COMPLETED, FAILED or CANCELLED.
            kind: `search` or `export`.
        """
        return [*self.each_job(study=study, state=state, kind=kind)]

    def each_job(
        self, *, study: str | None = None, state: str | None = None, kind: str | None = None
    ) -> Iterator[RemoteJob]:
        """As `jobs`, a page at a time."""
        params = {"study": study, "state": state, "kind": kind}
        records = each_record(self._connection, "jobs", key="jobs", params=params)
        return (RemoteJob(self._connection, JobFacts.from_json(record)) for record in records)

    def job(self, job: int | str) -> RemoteJob:
        """A job by its number, or the newest search of a study.

        Raises:
            NotFoundError: there is none that the token may see.
        """
        text = str(job)
        if text.isascii() and text.isdigit():
            return RemoteJob.of(self._connection, int(text))
        return self._newest_of(text)

    def targets(self) -> list[RemoteTarget]:
        """Devices that latency is measured on."""
        records = self._connection.get("targets")["targets"]
        return [RemoteTarget(name=record["name"], record=record) for record in records]

    def profile(self, config: Mapping[str, object] | str | Path) -> RemoteProfile:
        """Sizes, costs and whether the budgets of a config can be met.

        Raises:
            ConfigError: the service does not allow a key or value of the config.
            InfeasibleError: no sub-network meets the budgets.
        """
        body = {"config": document_of(config)}
        return RemoteProfile.from_json(self._connection.post("spaces", "profile", body=body, is_query=True))

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def _newest_of(self, study: str) -> RemoteJob:
        newest = next(self.each_job(study=study, kind="search"), None)
        if newest is None:
            raise NotFoundError(
                f"no job {study!r} that this token may see: give the number of a job or the name of its study"
            )
        return newest

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.url!r})"


def document_of(config: Mapping[str, object] | str | Path) -> dict[str, Any]:
    """What a config file holds, or a config as it is given.

    Raises:
        ConfigError: the file cannot be read.
    """
    if isinstance(config, Mapping):
        return dict(config)
    if isinstance(config, (str, Path)):
        return dict(read_document(Path(config)))
    raise ConfigError(f"config: got {type(config).__name__}; give a file, or a mapping of its keys")
