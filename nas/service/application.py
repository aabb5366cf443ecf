"""The application: routes, and the layers that each request passes on its way to one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from anyio.to_thread import current_default_thread_limiter
from fastapi import APIRouter, FastAPI

from nas._version import __version__
from nas.errors import StorageError
from nas.service import login, problems
from nas.service.authentication import Authenticator
from nas.service.context import Reader, Service
from nas.service.description import describe
from nas.service.dispatcher import Dispatcher
from nas.service.event_streams import Streams
from nas.service.gate import GateMiddleware
from nas.service.limits import LimitsMiddleware
from nas.service.metrics import Metrics, standing_of
from nas.service.observability import ObservabilityMiddleware
from nas.service.profiling import Profiler
from nas.service.routes import events, exports, jobs, operations, selection, spaces, studies, targets, trials
from nas.service.security_headers import SecurityHeadersMiddleware
from nas.service.settings import ServiceSettings
from nas.service.views import StudyViews
from nas.service.web import login_page
from nas.service.web import router as pages
from nas.service.web.page_memory import PageMemory
from storage import Ledger, StorageFault
from storage.observed import ObservedLedger

API: Final = "/api/v1"
#: That answer requests: more of them only wait for each other, and for connections to the database.
THREADS: Final = 12
_RESOURCES: Final = (studies, trials, selection, spaces, jobs, events, exports, targets)
_DESCRIPTION: Final = (
    "Searches for sub-networks of pretrained transformers, and what they found. Errors are "
    "`application/problem+json`. Long work is a job: 202 and a Location."
)


def create_app(settings: ServiceSettings, *, hosts: tuple[str, ...] | None = None) -> FastAPI:
    """Put a service together; its database is opened when it starts.

    Args:
        settings: of the operator.
        hosts: names that it is reached by; those of the settings unless given.
    """
    app = FastAPI(
        title="nas",
        version=__version__,
        description=_DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.settings = settings
    app.state.metrics = Metrics(lambda: standing_of(app.state.probe))
    app.state.schema_probe = operations.SchemaProbe()
    app.state.page_memory = PageMemory()
    problems.install(app)
    for module in _RESOURCES:
        app.include_router(module.router, prefix=API)
    app.include_router(_description(app), prefix=API)
    app.include_router(operations.router)
    app.include_router(login.router)
    app.include_router(pages)
    # The last one added is the first one that a request meets.
    # The gate comes before the limits, so that nobody without a token has a body read.
    app.add_middleware(
        LimitsMiddleware, limits=settings.limits, hosts=settings.hosts if hosts is None else hosts
    )
    app.add_middleware(GateMiddleware, login_page=login_page())
    app.add_middleware(SecurityHeadersMiddleware)
    app.add_middleware(ObservabilityMiddleware, metrics=app.state.metrics)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the database and start the dispatcher, and end both.

    Raises:
        StorageError: the database cannot be used.
    """
    settings: ServiceSettings = app.state.settings
    current_default_thread_limiter().total_tokens = THREADS
    try:
        opened = Ledger.open(settings.storage.url)
        opened.sweep_tokens()
    except StorageFault as error:
        raise StorageError(str(error)) from error
    observer = app.state.metrics.database_answered
    app.state.probe = ObservedLedger.of(opened, observer, retry_delays_s=())  # says at once what is not there
    with ObservedLedger.of(opened, observer) as ledger:
        dispatcher = Dispatcher(ledger, settings)
        app.state.service = Service(
            settings=settings,
            ledger=ledger,
            views=StudyViews(ledger),
            authenticator=Authenticator(ledger, failures_per_minute=settings.limits.failed_logins_per_minute),
            dispatcher=dispatcher,
            streams=Streams(settings.limits.streams),
            profiler=Profiler(),
        )
        dispatcher.start()
        try:
            yield
        finally:
            dispatcher.close()


def _description(app: FastAPI) -> APIRouter:
    router = APIRouter(tags=["service"])

    @router.get(
        "/openapi.json",
        operation_id="get_openapi",
        summary="This description",
        responses=problems.problems(),
    )
    def openapi(identity: Reader) -> dict[str, Any]:
        """OpenAPI 3.1 of all resources."""
        del identity
        return describe(app)

    return router
