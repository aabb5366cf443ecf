"""What the operator of a service decides: where things are kept, which models and data may be searched."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import AfterValidator, Field, StringConstraints, ValidationError

from nas.config.documents import read_document
from nas.config.sections import Section, StorageSection, Text, WorkersSection
from nas.errors import ConfigError

Name: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
MIB: Final = 1024 * 1024


def _existing(path: str) -> str:
    if not Path(path).exists():
        raise ValueError(f"there is no {path}")
    return path


class ModelSource(Section):
    """A pretrained model that searches may start from."""

    path: Annotated[Text, AfterValidator(_existing)] = Field(description="its folder, with safetensors files")
    revision: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")] | None = Field(
        default=None, description="commit it was downloaded at, for the record"
    )
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        default=None, description="of model.safetensors; a job refuses to start on any other file"
    )


class DataSource(Section):
    """A file of examples that searches may use."""

    path: Annotated[Text, AfterValidator(_existing)] = Field(description="CSV, TSV, JSON lines or Parquet")


class Limits(Section):
    """What one account, or one request, may take."""

    max_body_bytes: int = Field(default=MIB, ge=1024, le=64 * MIB, description="size of a request's body")
    body_timeout_s: float = Field(default=20.0, gt=0, le=600, description="time to send a request's body in")
    header_timeout_s: float = Field(default=10.0, gt=0, le=600, description="time to send its headers in")
    max_trials: int = Field(default=100_000, ge=1, le=10_000_000, description="trials of one search")
    open_jobs: int = Field(default=20, ge=1, le=10_000, description="jobs of an account that are not over")
    running_jobs: int = Field(default=1, ge=1, le=1000, description="jobs that this service runs at a time")
    page_size: int = Field(default=1000, ge=1, le=10_000, description="entries of one page")
    streams: int = Field(default=8, ge=1, le=1000, description="event streams of an account at a time")
    failed_logins_per_minute: int = Field(
        default=30, ge=1, le=100_000, description="wrong tokens from one address before it has to wait"
    )
    evaluation_seconds: float | None = Field(
        default=None,
        gt=0,
        description="time of evaluations that an account may use in all; null for no limit",
    )
    export_bytes: int = Field(default=64 * 1024 * MIB, ge=MIB, description="size of one export")


class ServiceSettings(Section):
    """Settings of a service; a file of `nas serve --config`."""

    version: Literal[1] = Field(default=1, description="version of this format")
    storage: StorageSection = Field(
        default_factory=StorageSection, description="database, and folder of supernets and exports"
    )
    workers: WorkersSection = Field(
        default_factory=WorkersSection, description="where the searches of this service are evaluated"
    )
    models: dict[Name, ModelSource] = Field(
        default={}, description="models by the name that users give as model.id; `bundled` is always there"
    )
    data: dict[Name, DataSource] = Field(
        default={}, description="files by the name that users give as data.train and the like"
    )
    limits: Limits = Field(default_factory=Limits, description="of accounts and requests")
    hosts: tuple[Text, ...] = Field(
        default=(),
        max_length=100,
        description="names that the service is reached by; others are refused; empty allows loopback names, "
        "and any where the service does not listen on loopback",
    )
    folder: Text = Field(default=".", description="working directory of the jobs")

    @property
    def artifacts(self) -> Path:
        """Folder of supernets and exports."""
        return Path(self.folder, self.storage.artifacts)

    @property
    def working_folder(self) -> Path:
        """Where jobs run."""
        return Path(self.folder).absolute()


def load_settings(path: str | Path | None = None, **changes: Any) -> ServiceSettings:
    """Read settings; sections in `changes` replace those of the file key by key.

    Relative paths of models and data start at the file's folder.

    Raises:
        ConfigError: the file cannot be read, or a key or value is not allowed.
    """
    from nas.config.problems import config_error

    document: dict[str, Any] = {} if path is None else dict(read_document(Path(path)))
    if path is not None:
        _anchor(document, Path(path).parent)
    for key, value in changes.items():
        own = document.get(key)
        document[key] = {**own, **value} if isinstance(own, dict) and isinstance(value, Mapping) else value
    try:
        return ServiceSettings.model_validate(_tuples(document))
    except ValidationError as error:
        where = "service settings" if path is None else f"service settings {path}"
        raise ConfigError(f"{where}: {config_error(error, document)}") from None


def _anchor(document: dict[str, Any], folder: Path) -> None:
    for section in ("models", "data"):
        sources = document.get(section)
        for source in sources.values() if isinstance(sources, dict) else ():
            if isinstance(source, dict) and isinstance(source.get("path"), str):
                source["path"] = str(folder / source["path"])


def _tuples(document: Mapping[str, Any]) -> dict[str, Any]:
    """Strict models want tuples, documents have lists."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in document.items()}
