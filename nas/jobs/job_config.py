"""The config of a search as its job keeps it, so that a driver started later finds the same files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from nas.config import SearchConfig, parse_config
from nas.errors import ConfigError
from storage import JobRecord

#: Beside the keys of the config: the folder that its relative paths start at.
FOLDER: Final = "folder"


@dataclass(frozen=True, kw_only=True, slots=True)
class JobConfig:
    """What a job searches, and where.

    Attributes:
        folder: working directory of its processes.
    """

    config: SearchConfig
    folder: Path

    def to_json(self) -> dict[str, Any]:
        """Every key with its value, no password in it."""
        return {**self.config.resolved(), FOLDER: str(self.folder)}


def job_config(job: JobRecord, url: str) -> JobConfig:
    """The config of a stored job, with the database that it was read from and its number of trials.

    Raises:
        ConfigError: this version does not allow the config, or its folder is gone.
    """
    document: dict[str, Any] = dict(job.config)
    folder = Path(document.pop(FOLDER, "."))
    if not folder.is_dir():
        raise ConfigError(f"the working directory of job {job.id}, {folder}, is gone; start another job")
    document["storage"] = {**_section(document, "storage"), "url": url}
    if job.trials is not None:
        document["search"] = {**_section(document, "search"), "trials": job.trials}
    return JobConfig(config=parse_config(document), folder=folder)


def absolute_url(url: str, folder: Path) -> str:
    """A database URL that names the same SQLite file in any working directory; any other as it is."""
    scheme, separator, rest = url.partition(":///")
    path, question, query = rest.partition("?")
    if not separator or scheme.partition("+")[0] != "sqlite" or not path or path.startswith((":", "file:")):
        return url
    return f"{scheme}:///{folder.absolute() / path}{question}{query}"


def _section(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = document.get(name)
    return section if isinstance(section, Mapping) else {}
