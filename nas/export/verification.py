"""Checking an exported folder: its files, its record, and what the model in it answers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nas.errors import ConfigError, ExportVerificationError, UnsupportedModelError
from nas.export.checksums import check_sums
from nas.export.custom_config import full_config
from nas.export.fresh_process import Expected, prove
from nas.export.heads import auto_class_for
from nas.export.modelling import modelling_name, modelling_source
from nas.export.record import PROBE_TEXT, RECORD, Identity, read_identity
from nas.export.reference import Reference
from nas.export.runtimes import runtimes_of
from nas.families import family_of
from nas.supernet.checkpoint import recover
from nas.supernet.loading import quiet_transformers
from nas.supernet.model_folders import refused_entries
from search_spaces import Portability


@dataclass(frozen=True, kw_only=True)
class VerificationReport:
    """A folder that is what it was when it was exported; attributes as in `ExportReport`."""

    folder: Path
    key: str
    portability: Portability
    auto_class: str
    formats: tuple[str, ...]
    num_parameters: int
    max_difference: float
    tolerance: float
    runtime_differences: Mapping[str, float]
    files: tuple[str, ...]
    study: str | None
    trial: int | None


def verify_folder(folder: str | Path, *, trust_modelling_file: bool = False) -> VerificationReport:
    """Check a folder's hashes, then load it in a fresh process and compare with its reference.

    Hashes are no signature: whoever can change the folder can write new ones. So a modelling file is run
    only if it is word for word the one that this version writes.

    Args:
        folder: what `export_subnet` wrote.
        trust_modelling_file: run another modelling file that fits its hash, e.g. of an older version.

    Raises:
        ConfigError: no such folder, or the packages of one of its formats are not installed.
        ExportVerificationError: something differs; names what.
    """
    path = Path(folder).absolute()
    recover(path)
    if not path.is_dir():
        raise ConfigError(f"{path} is no folder; give a folder that was exported")
    files = check_sums(path)
    identity = read_identity(path)
    is_custom = identity.portability == "custom-code"
    _check_config(path, identity)
    if is_custom and not trust_modelling_file:
        _check_modelling_file(path, identity.model_type)
    reference = Reference.load(path)
    expected = Expected(
        reference=reference,
        num_parameters=identity.num_parameters,
        auto_class=_auto_class(path, identity),
        runtimes=runtimes_of(identity.formats),
        text=None if identity.token_ids is None else PROBE_TEXT,
        token_ids=identity.token_ids,
    )
    proof = prove(path, expected, is_custom=is_custom)
    return VerificationReport(
        folder=path,
        key=identity.key,
        portability=identity.portability,
        auto_class=expected.auto_class,
        formats=identity.formats,
        num_parameters=identity.num_parameters,
        max_difference=proof.max_difference,
        tolerance=reference.answers[0].tolerance(),
        runtime_differences=proof.runtimes,
        files=files,
        study=identity.study,
        trial=identity.trial,
    )


def _auto_class(folder: Path, identity: Identity) -> str:
    try:
        return auto_class_for(identity.task, identity.model_type)
    except (ConfigError, UnsupportedModelError) as error:
        raise ExportVerificationError(f"{folder / RECORD} cannot be read: {error}") from error


def _check_config(folder: Path, identity: Identity) -> None:
    """Refuse a config.json that asks for code other than the modelling file of the folder."""
    try:
        record: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        auto_map = dict(record.get("auto_map") or {})
        refused = [key for key in refused_entries(record) if key != "auto_map"]
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
        raise ExportVerificationError(f"{folder / 'config.json'} cannot be read: {error!r}") from error
    module = re.escape(modelling_name(identity.model_type).removesuffix(".py"))
    own = re.compile(rf"{module}\.\w+" if identity.portability == "custom-code" else r"(?!)")
    foreign = [name for name in auto_map.values() if not own.fullmatch(str(name))]
    if refused or foreign:
        raise ExportVerificationError(
            f"{folder / 'config.json'} asks for {', '.join(map(str, refused or foreign))}, which no export "
            "does; do not load this folder"
        )


def _check_modelling_file(folder: Path, model_type: str) -> None:
    """Write the modelling file anew from config.json, which is data, and compare."""
    path = folder / modelling_name(model_type)
    try:
        is_ours = path.read_bytes() == _own_source(folder).encode()
    except (OSError, ValueError, UnsupportedModelError) as error:
        raise ExportVerificationError(f"{path} cannot be checked: {error}") from error
    if not is_ours:
        raise ExportVerificationError(
            f"{path} fits its hash, but is not the modelling file that this version writes, so it was not "
            "run; read it, and allow it with trust_modelling_file if you trust where the folder comes from"
        )


def _own_source(folder: Path) -> str:
    """What this version writes for the full model that a folder's config.json describes."""
    record = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    model_class, config = full_config(record)
    with torch.device("meta"), quiet_transformers():
        full = model_class(config)
    family = family_of(config.model_type)
    return modelling_source(full, family.describe(full), family)
