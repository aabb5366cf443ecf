"""What the routes of a service share, and what each of them may ask for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer

from nas.service.authentication import Authenticator, Identity
from nas.service.gate import identity_of
from nas.service.problems import ProblemError, not_found
from nas.service.settings import ServiceSettings
from storage import JobRecord, Ledger, StudyStatus, UnknownJobError, UnknownStudyError

if TYPE_CHECKING:
    from nas.service.dispatcher import Dispatcher
    from nas.service.event_streams import Streams
    from nas.service.profiling import Profiler
    from nas.service.views import StudyViews

BEARER: Final = HTTPBearer(auto_error=False, scheme_name="token", description="a token of `nas token create`")
_LARGEST_ID: Final = 2**63 - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """The parts of a running service.

    Attributes:
        ledger: shared by the threads; its reads are repeated for some seconds while the database is away.
    """

    settings: ServiceSettings
    ledger: Ledger
    views: StudyViews
    authenticator: Authenticator
    dispatcher: Dispatcher
    streams: Streams
    profiler: Profiler

    def study(self, identity: Identity, name: str) -> StudyStatus:
        """How a study that the asker may see stands.

        Raises:
            ProblemError: 404, the same for an unknown one and one of another account.
        """
        try:
            status = self.ledger.study_status(name)
        except (UnknownStudyError, ValueError):
            raise not_found() from None
        if not identity.may_see(status.account):
            raise not_found()
        return status

    def job(self, identity: Identity, job_id: int, kind: str | None = None) -> JobRecord:
        """A job that the asker may see, of a kind if given.

        Raises:
            ProblemError: 404, the same for an unknown one and one of another account.
        """
        if not 0 <= job_id <= _LARGEST_ID:
            raise not_found()
        try:
            record = self.ledger.job(job_id)
        except UnknownJobError:
            raise not_found() from None
        if not identity.may_see(record.account) or kind not in (None, record.kind):
            raise not_found()
        return record


async def service_of(request: Request) -> Service:
    """The service that a request came to; async, as others are sent to a thread."""
    service: Service = request.app.state.service
    return service


def requires(scope: str) -> Callable[..., Awaitable[Identity]]:
    """A dependency that gives who asks, if they have a scope."""

    async def identity(request: Request, _: object = Security(BEARER, scopes=[scope])) -> Identity:
        found = identity_of(request)
        if not found.may(scope):
            raise ProblemError(403, "forbidden", f"this token lacks the scope {scope!r}")
        return found

    identity.__name__ = f"requires_{scope}"
    return identity


ServiceOf = Annotated[Service, Depends(service_of)]
Reader = Annotated[Identity, Depends(requires("read"))]
Searcher = Annotated[Identity, Depends(requires("search"))]
Exporter = Annotated[Identity, Depends(requires("export"))]
Admin = Annotated[Identity, Depends(requires("admin"))]
