"""Exports: what is checked before one is stored as a job, and how it is answered."""

from __future__ import annotations

from typing import Final

from nas.errors import ConfigError
from nas.jobs.exporting import ExportRequest
from nas.jobs.job_status import status_of
from nas.jobs.kinds import EXPORT
from nas.service.accepting import RequestKey, Work, store_job
from nas.service.authentication import Identity
from nas.service.context import Service
from nas.service.downloads import flat_name
from nas.service.redaction import redacted
from nas.service.schemas.exports import Export, ExportSubmission, FileOfExport
from storage import JobRecord, JobState, StudyStatus, Submission, TrialState

ADDRESS: Final = "/api/v1/exports"
#: Of a weight in float32, which other formats are converted from.
_BYTES: Final = 4


def accept_export(
    service: Service, identity: Identity, body: ExportSubmission, request: RequestKey
) -> Submission:
    """Store the job of an export; the dispatcher starts it.

    Raises:
        ConfigError: a trial that cannot be exported, or a budget that does not parse.
        InfeasibleError: no trial is within the budgets.
        ProblemError: 404, there is no such study.
        StorageFault: a quota is used up, or the key was used for something else.
    """
    study = service.study(identity, body.study)
    trial, where = _chosen(service, study, body), tuple(body.where or ())
    _check_size(service, study, trial, len({"hf", *(body.formats or ())}))
    config = ExportRequest(
        study=study.name,
        trial=trial,
        where=where,
        formats=None if body.formats is None else tuple(body.formats),
        weights=body.weights,
        max_bytes=service.settings.limits.export_bytes,
        artifacts=str(service.settings.artifacts.absolute()),
        folder=str(service.settings.working_folder),
    )
    work = Work(study=study.name, kind=EXPORT, config=config.to_json())
    return store_job(service, identity, work, request)


def export_answer(service: Service, record: JobRecord) -> Export:
    """An export as the API answers with it."""
    request = ExportRequest.of_config(record.config)
    is_ready = record.state is JobState.COMPLETED
    files = service.ledger.export_files(record.id) if is_ready else []
    address = f"{ADDRESS}/{record.id}"
    return Export.model_validate(
        {
            "id": record.id,
            "study": record.study,
            "trial": request.trial,
            "where": list(request.where),
            "formats": None if request.formats is None else list(request.formats),
            "weights": request.weights,
            "status": status_of(record),
            "state": record.state.value,
            "account": record.account,
            "reason": None if record.reason is None else redacted(record.reason),
            "created_at": record.created_at,
            "started_at": record.started_at,
            "ended_at": record.ended_at,
            "files": [
                FileOfExport(
                    name=file.name,
                    sha256=file.sha256,
                    size_bytes=file.size_bytes,
                    url=f"{address}/files/{flat_name(file)}",
                )
                for file in files
            ],
            "archive": f"{address}/archive" if is_ready else None,
        }
    )


def _chosen(service: Service, study: StudyStatus, body: ExportSubmission) -> int:
    """The trial that is asked for, or the best within the budgets."""
    view = service.views.view(study)
    if body.trial is None:
        return view.select(body.where or (), recovered=body.weights == "recovered").number
    if not view.has(body.trial):
        raise ConfigError(f"study {study.name!r} has no trial {body.trial}; list its trials")
    found = view.trial(body.trial)
    if found.state is not TrialState.DONE:
        raise ConfigError(
            f"trial {body.trial} of study {study.name!r} is {found.state.value.lower()}, which has no "
            "result to export; choose one that is done"
        )
    return body.trial


def _check_size(service: Service, study: StudyStatus, trial: int, num_formats: int) -> None:
    """Refuse what would surely be larger than an export may be; each format holds all weights."""
    costs = service.views.view(study).trial(trial).metrics
    size = costs.get("num_parameters", 0) * _BYTES * num_formats
    most = service.settings.limits.export_bytes
    if size > most:
        raise ConfigError(
            f"trial {trial} takes about {size / 1e6:.0f} MB in {num_formats} formats, this server allows "
            f"{most / 1e6:.0f} MB; choose a smaller sub-network or fewer formats"
        )
