"""`/exports`: handing sub-networks over as model folders, and downloading them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response

from nas.jobs.kinds import EXPORT
from nas.service.accepting import ACCEPTED, Key, RequestKey, tell_accepted
from nas.service.context import Exporter, Reader, Service, ServiceOf
from nas.service.downloads import ExportFolder, archive_response, file_response, find_file
from nas.service.export_requests import accept_export, export_answer
from nas.service.job_answers import newest, page_of
from nas.service.problems import ProblemError, problems
from nas.service.schemas.exports import Export, ExportPage, ExportSubmission
from nas.service.schemas.jobs import PageToken, State
from storage import ExportFile, JobRecord, JobState

router = APIRouter(tags=["exports"])

ExportId = Annotated[int, Path(ge=0, description="number of the export, which is a job")]


@router.post(
    "/exports",
    status_code=202,
    operation_id="submit_export",
    summary="Export a sub-network",
    responses={**ACCEPTED, **problems(404, 409, 422, 429, 503)},
)
def submit_export(
    body: ExportSubmission,
    service: ServiceOf,
    identity: Exporter,
    *,
    request: Request,
    response: Response,
    key: Key = None,
) -> Export:
    """Export a trial, or the best within budgets, which is chosen at once: 409 where there is none."""
    submission = accept_export(service, identity, body, RequestKey.of(key, EXPORT, body))
    tell_accepted(response, submission, request.url_for("get_export", export_id=submission.job.id).path)
    return export_answer(service, submission.job)


@router.get(
    "/exports", operation_id="list_exports", summary="Exports, the newest first", responses=problems(422)
)
def list_exports(
    service: ServiceOf,
    identity: Reader,
    *,
    study: Annotated[str | None, Query(max_length=200)] = None,
    state: State | None = None,
    limit: Annotated[int, Query(ge=1)] = 50,
    page_token: PageToken | None = None,
) -> ExportPage:
    """Exports of the asker's account; of every account for an administrator."""
    records = newest(service, identity, kind=EXPORT, study=study, state=state, before=page_token)
    found, following = page_of(records, min(limit, service.settings.limits.page_size))
    return ExportPage(exports=[export_answer(service, record) for record in found], next_page_token=following)


@router.get("/exports/{export_id}", operation_id="get_export", summary="One export", responses=problems(404))
def get_export(export_id: ExportId, service: ServiceOf, identity: Reader) -> Export:
    """An export with its files."""
    return export_answer(service, service.job(identity, export_id, EXPORT))


@router.get(
    "/exports/{export_id}/files/{name}",
    operation_id="download_file",
    summary="Download a file",
    response_class=Response,
    responses={
        **problems(404, 409, 410, 416),
        200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
        206: {"description": "the part that Range asked for"},
        304: {"description": "the file that If-None-Match names"},
    },
)
def download_file(
    export_id: ExportId,
    name: Annotated[str, Path(max_length=200, description="as the last part of the file's `url`")],
    service: ServiceOf,
    identity: Reader,
    *,
    wanted: Annotated[str | None, Header(alias="Range", max_length=100)] = None,
    known: Annotated[str | None, Header(alias="If-None-Match", max_length=1000)] = None,
) -> Response:
    """A file of an export; its ETag is the SHA-256 of its content."""
    record = service.job(identity, export_id, EXPORT)
    file = find_file(_files(service, record), name)
    return file_response(_folder(service, record), file, wanted=wanted, known=known)


@router.get(
    "/exports/{export_id}/archive",
    operation_id="download_archive",
    summary="Download all files as a zip",
    response_class=Response,
    responses={
        **problems(404, 409, 410),
        200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}},
    },
)
def download_archive(export_id: ExportId, service: ServiceOf, identity: Reader) -> Response:
    """The folder in a zip, made while it is sent."""
    record = service.job(identity, export_id, EXPORT)
    files = _files(service, record)
    name = f"{record.study}-export-{record.id}"
    return archive_response(_folder(service, record), files, name)


def _files(service: Service, record: JobRecord) -> list[ExportFile]:
    """Files of an export that is completed."""
    if record.state is not JobState.COMPLETED:
        raise ProblemError(409, "not-ready", f"export {record.id} is {record.state.value.lower()}")
    return service.ledger.export_files(record.id)


def _folder(service: Service, record: JobRecord) -> ExportFolder:
    return ExportFolder(artifacts=service.settings.artifacts.absolute(), job_id=record.id)
