"""Jobs that export a trial into the artifacts folder of a service, where its files are downloaded from."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from nas.errors import ConfigError
from nas.jobs.interruption import interruptible
from nas.jobs.job_config import FOLDER
from storage import ExportFile, JobLease, JobRecord, Ledger

if TYPE_CHECKING:
    from nas.export import ExportReport
    from nas.study import Study
    from nas.study.control import Control

logger = logging.getLogger(__name__)

#: Folder of the artifacts that has one folder for each export.
EXPORTS: Final = "exports"
WeightSource: TypeAlias = Literal["auto", "supernet", "recovered"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportRequest:
    """What a job exports; it is the job's config.

    Attributes:
        trial: number; None for the best within `where`.
        where: budgets besides the study's own, such as `latency_ms <= 8`.
        formats: besides `hf`; None for those of the study's config.
        max_bytes: what the export may take at most; None for no limit.
        artifacts: folder that holds the study's supernet, and gets the export.
        folder: working directory of the job.
    """

    study: str
    trial: int | None = None
    where: tuple[str, ...] = ()
    formats: tuple[str, ...] | None = None
    weights: WeightSource = "auto"
    max_bytes: int | None = None
    artifacts: str = "artifacts"
    folder: str = "."

    @classmethod
    def of_job(cls, job: JobRecord) -> ExportRequest:
        """What a stored job exports.

        Raises:
            ConfigError: another version stored it, or its folder is gone.
        """
        request = cls.of_config(job.config)
        if not Path(request.folder).is_dir():
            raise ConfigError(f"the working directory of job {job.id} is gone; start another export")
        return request

    @classmethod
    def of_config(cls, config: Mapping[str, Any]) -> ExportRequest:
        """What `to_json` made.

        Raises:
            ConfigError: another version stored it.
        """
        formats = config.get("formats")
        lists = {
            "where": tuple(config.get("where") or ()),
            "formats": None if formats is None else tuple(formats),
        }
        try:
            return cls(**{**config, **lists})
        except TypeError as error:
            raise ConfigError(f"an export was stored by another version: {error}") from error

    def to_json(self) -> dict[str, Any]:
        """As a job keeps it."""
        return {**asdict(self), FOLDER: self.folder}


def export_folder(artifacts: str | Path, job_id: int) -> Path:
    """Where the files of an export job lie."""
    return Path(artifacts) / EXPORTS / str(job_id)


def run_export(ledger: Ledger, job: JobRecord, url: str, control: Control | None) -> ExportReport:
    """Export as a job asks for, in its working directory, and note the files in the database.

    Raises:
        ConfigError: the study has no supernet here, the trial or a format is not allowed, or the export is
            larger than it may be.
        InfeasibleError: no trial is within the budgets.
        ExportVerificationError: the folder is not equal to the trial, or breaks a budget.
        HaltedError: that was asked for.
        StorageFault: the database cannot be used, or another supervisor has the job.
    """
    from nas.jobs.studies import open_study

    request = ExportRequest.of_job(job)
    folder = export_folder(request.artifacts, job.id)
    with (
        interruptible(control),
        open_study(request.study, url=url, artifacts=request.artifacts, with_supernet=True) as study,
    ):
        report = _exported(study, request, folder)
    lease = JobLease(job_id=job.id, owner=job.owner or "", epoch=job.epoch, seconds=0.0)
    ledger.put_export_files(lease, _files(folder, report))
    logger.info("study %r: exported sub-network %s, %d files", request.study, report.key, len(report.files))
    return report


def _exported(study: Study, request: ExportRequest, folder: Path) -> ExportReport:
    trial: Any = request.trial
    if trial is None:
        trial = study.best(request.where, recovered=request.weights == "recovered")
    report: ExportReport = study.export(
        trial,
        folder,
        where=request.where,
        weights=request.weights,
        formats=_formats(study.config, request),
        max_bytes=request.max_bytes,
        overwrite=True,
    )
    return report


def _formats(config: Mapping[str, Any] | None, request: ExportRequest) -> tuple[str, ...]:
    if request.formats is not None:
        return request.formats
    return tuple((config or {}).get("export", {}).get("formats", ("hf",)))


def _files(folder: Path, report: ExportReport) -> list[ExportFile]:
    from nas.artifacts.files import file_sha256

    return [
        ExportFile(name=name, sha256=file_sha256(folder / name), size_bytes=(folder / name).stat().st_size)
        for name in report.files
    ]
