"""Writing a sub-network as an ordinary model folder, and proving it equal to what was searched."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from transformers import PreTrainedModel

from nas.errors import ConfigError, ExportVerificationError
from nas.export.card import model_card
from nas.export.checksums import SUMS, file_names, write_sums
from nas.export.facts import ExportFacts
from nas.export.fresh_process import Expected, prove
from nas.export.modelling import (
    HEAD,
    custom_config,
    modelling_name,
    modelling_source,
)
from nas.export.record import RECORD, build_record, write_record
from nas.export.reference import Reference, reference_of
from nas.supernet import Supernet
from nas.supernet.checkpoint import file_sha256, new_folder, recover
from nas.supernet.loading import quiet_transformers
from search_spaces import Portability, SubnetConfig, portability

_log = logging.getLogger(__name__)

#: Called with the finished folder before it gets its name; returns the budgets that it breaks, as text.
BudgetCheck: TypeAlias = Callable[[Path], Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """A folder that passed every gate.

    Attributes:
        key: of the sub-network.
        portability: `plain` loads with the stock class, `custom-code` with `trust_remote_code`.
        max_difference: largest difference of logits between the reloaded folder and the searched sub-network.
        tolerance: what was allowed.
        sha256: of SHA256SUMS, so of the whole folder.
        files: names relative to the folder.
    """

    folder: Path
    key: str
    portability: Portability
    num_parameters: int
    max_difference: float
    tolerance: float
    sha256: str
    files: tuple[str, ...]


def export_subnet(
    supernet: Supernet,
    config: SubnetConfig,
    folder: str | Path,
    *,
    facts: ExportFacts,
    sample_inputs: Mapping[str, torch.Tensor] | None = None,
    check_budget: BudgetCheck | None = None,
    overwrite: bool = False,
) -> ExportReport:
    """Write a sub-network as a model folder; it appears whole and proven, or not at all.

    A fresh process that cannot import this project loads the folder and must give the logits of the
    active supernet. A sub-network that no stock class can build gets a modelling file of its own.

    Args:
        supernet: where the weights come from; left as it is.
        config: what to keep of it.
        folder: a new one; its parent is made if needed.
        facts: how the sub-network was found, for the model card and nas.json.
        sample_inputs: token rows to compare on, stored in the folder; random ones unless given.
        check_budget: measures the finished folder against the budgets.
        overwrite: replace an earlier export of that name.

    Raises:
        ConfigError: the folder exists (with `overwrite`, as something else than an export), facts or inputs
            are not allowed, or the model has another head.
        SpaceError: units that the model does not have.
        UnsupportedModelError: no modelling file is known for the architecture.
        ExportVerificationError: the reloaded folder differs, or breaks a budget.
        StorageError: no space, or the folder cannot be written.
    """
    path, config = Path(folder).absolute(), config.canonical(supernet.shape)
    recover(path)
    if not overwrite:
        _refuse_existing(path)
    _refuse_other_heads(supernet.model)
    is_custom = portability(supernet.shape, config) == "custom-code"
    record = build_record(supernet, config, facts)
    model = supernet.extract(config)
    reference = reference_of(supernet, config, sample_inputs)
    size = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    with new_folder(path, needed_bytes=size, marker=RECORD) as temporary:
        _write_model(temporary, model, supernet, config, is_custom=is_custom)
        _write_facts(temporary, supernet, config, record, reference)
        difference = prove(temporary, _expected(record, reference), is_custom=is_custom)
        _check_budget(temporary, check_budget)
        files, sha256 = (*file_names(temporary), SUMS), file_sha256(temporary / SUMS)
    _log.info("exported sub-network %s to %s", config.key, path)
    return ExportReport(
        folder=path,
        key=config.key,
        portability=record["portability"],
        num_parameters=record["costs"]["subnet"]["num_parameters"],
        max_difference=difference,
        tolerance=reference.tolerance,
        sha256=sha256,
        files=files,
    )


def _refuse_existing(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise ConfigError(f"{path} exists already; choose another folder, or allow overwriting")


def _refuse_other_heads(model: PreTrainedModel) -> None:
    if not type(model).__name__.endswith(HEAD):
        raise ConfigError(
            f"a {type(model).__name__} cannot be exported; it must be a model {HEAD}, "
            "as Supernet.from_pretrained loads"
        )


def _write_model(
    folder: Path, model: PreTrainedModel, supernet: Supernet, config: SubnetConfig, *, is_custom: bool
) -> None:
    with quiet_transformers():
        model.save_pretrained(folder)
        if supernet.tokenizer is not None:
            supernet.tokenizer.save_pretrained(folder)
    if is_custom:
        model_type = supernet.shape.model_type
        (folder / modelling_name(model_type)).write_text(modelling_source(model_type), encoding="utf-8")
        text = json.dumps(custom_config(model, supernet.shape, config), indent=2, sort_keys=True)
        (folder / "config.json").write_text(text + "\n", encoding="utf-8")


def _write_facts(
    folder: Path,
    supernet: Supernet,
    config: SubnetConfig,
    record: Mapping[str, Any],
    reference: Reference,
) -> None:
    reference.save(folder)
    write_record(folder, record)
    (folder / "README.md").write_text(model_card(supernet, config, record), encoding="utf-8")
    for name in file_names(folder):  # safetensors writes files that only their owner may read
        shutil.copymode(folder / RECORD, folder / name)
    write_sums(folder)


def _expected(record: Mapping[str, Any], reference: Reference) -> Expected:
    probe = record["probe"]
    has_tokenizer = probe["token_ids"] is not None
    return Expected(
        reference=reference,
        num_parameters=record["costs"]["subnet"]["num_parameters"],
        text=probe["text"] if has_tokenizer else None,
        token_ids=tuple(probe["token_ids"]) if has_tokenizer else None,
    )


def _check_budget(folder: Path, check: BudgetCheck | None) -> None:
    broken = list(check(folder)) if check is not None else []
    if broken:
        raise ExportVerificationError(f"the exported folder breaks its budget: {'; '.join(broken)}")
