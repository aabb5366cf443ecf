"""A service of `nas serve` used from Python and the command line; loads neither torch, Ray nor a database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas._lazy import lazy

if TYPE_CHECKING:
    from nas.client.client import Client
    from nas.client.errors import (
        ConflictError,
        NotAuthorizedError,
        NotFoundError,
        QuotaError,
        ServiceUnreachableError,
    )
    from nas.client.exports import RemoteExport
    from nas.client.facts import (
        HypervolumeStep,
        JobEvent,
        JobFacts,
        RemoteFile,
        RemoteProfile,
        RemoteTarget,
        StudyFacts,
    )
    from nas.client.jobs import RemoteJob
    from nas.client.studies import RemoteStudy
    from nas.client.trials import RemoteComparison, RemoteSizes, RemoteTrial

_MODULES = {
    "nas.client.client": ("Client",),
    "nas.client.errors": (
        "ConflictError",
        "NotAuthorizedError",
        "NotFoundError",
        "QuotaError",
        "ServiceUnreachableError",
    ),
    "nas.client.exports": ("RemoteExport",),
    "nas.client.facts": (
        "HypervolumeStep",
        "JobEvent",
        "JobFacts",
        "RemoteFile",
        "RemoteProfile",
        "RemoteTarget",
        "StudyFacts",
    ),
    "nas.client.jobs": ("RemoteJob",),
    "nas.client.studies": ("RemoteStudy",),
    "nas.client.trials": ("RemoteComparison", "RemoteSizes", "RemoteTrial"),
}

__all__ = [
    "Client",
    "ConflictError",
    "HypervolumeStep",
    "JobEvent",
    "JobFacts",
    "NotAuthorizedError",
    "NotFoundError",
    "QuotaError",
    "RemoteComparison",
    "RemoteExport",
    "RemoteFile",
    "RemoteJob",
    "RemoteProfile",
    "RemoteSizes",
    "RemoteStudy",
    "RemoteTarget",
    "RemoteTrial",
    "ServiceUnreachableError",
    "StudyFacts",
]

if not TYPE_CHECKING:
    __getattr__ = lazy(__name__, _MODULES)
