"""Finding what earlier jobs left."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from nas.errors import ConfigError
from nas.jobs.job_status import is_live
from nas.jobs.kinds import SEARCH
from nas.study.ledger_errors import translated
from storage import Ledger

if TYPE_CHECKING:
    from nas.study import Study


@dataclass(frozen=True, kw_only=True, slots=True)
class StudySummary:
    """A stored study in one line.

    Attributes:
        num_done: sub-networks evaluated, those that were paused included.
        is_live: whether it runs or is about to; one in state RUNNING that is not live has lost its driver.
    """

    name: str
    state: str
    num_done: int
    num_trials: int
    objectives: tuple[str, ...]
    created_at: datetime
    is_live: bool


def list_studies(url: str) -> list[StudySummary]:
    """All studies of a database, oldest first."""
    with translated(), Ledger.open(url) as ledger:
        records = ledger.studies()
        num_done = ledger.count_evaluated([record.name for record in records])
        statuses = {status.id: status for status in ledger.study_statuses()}
        newest = {job.study: job for job in ledger.jobs(kind=SEARCH)}
        return [
            StudySummary(
                name=record.name,
                state=statuses[record.id].state.value,
                num_done=num_done.get(record.name, 0),
                num_trials=statuses[record.id].num_trials,
                objectives=tuple(record.spec["objectives"]),
                created_at=record.created_at,
                is_live=is_live(statuses[record.id], newest.get(record.name)),
            )
            for record in records
            if record.id in statuses  # it may have been deleted meanwhile
        ]


def open_study(
    name: str, *, url: str, artifacts: str | Path = "artifacts", with_supernet: bool = False
) -> Study:
    """Open a study; with its supernet from the artifacts folder, to run or export.

    Raises:
        StudyNotFoundError: there is none of that name.
        ConfigError: its supernet is not in the artifacts folder.
    """
    from nas.study import load_study
    from nas.supernet import Supernet

    if not with_supernet:
        return load_study(name, storage=url, artifacts=artifacts)
    load_study(name, storage=url).close()
    folder = Path(artifacts) / name / "supernet"
    if not folder.is_dir():
        raise ConfigError(
            f"the supernet of study {name!r} is not at {folder}; give the artifacts folder of its config"
        )
    return load_study(name, storage=url, supernet=Supernet.load(folder), artifacts=artifacts)
